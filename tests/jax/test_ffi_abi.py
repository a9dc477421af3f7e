"""The declarations of XLA's C API in native/src/xla_ffi_abi.h against the header of the installed jaxlib."""

from __future__ import annotations

import subprocess
from pathlib import Path

import jax
import pytest

NATIVE = Path(__file__).parents[2] / "native"

# Name here, name in the header, and the members in order.
STRUCTS = {
    "Extension": ("XLA_FFI_{extension}", "struct_size type next"),
    "ApiVersion": ("XLA_FFI_Api_Version", "struct_size extension_start major_version minor_version"),
    "Metadata": ("XLA_FFI_Metadata", "struct_size api_version traits"),
    "MetadataExtension": ("XLA_FFI_Metadata_Extension", "extension_base metadata"),
    "ErrorCreateArgs": ("XLA_FFI_Error_Create_Args", "struct_size extension_start message errc"),
    "ErrorDestroyArgs": ("XLA_FFI_Error_Destroy_Args", "struct_size extension_start error"),
    "ScheduleArgs": ("XLA_FFI_ThreadPool_Schedule_Args", "struct_size extension_start ctx task data"),
    "NumThreadsArgs": ("XLA_FFI_ThreadPool_NumThreads_Args", "struct_size extension_start ctx num_threads"),
    "Buffer": ("XLA_FFI_Buffer", "struct_size extension_start dtype data rank dims"),
    "ByteSpan": ("XLA_FFI_ByteSpan", "ptr len"),
    "Scalar": ("XLA_FFI_Scalar", "dtype value"),
    "Args": ("XLA_FFI_Args", "struct_size extension_start size types args"),
    "Rets": ("XLA_FFI_Rets", "struct_size extension_start size types rets"),
    "Attrs": ("XLA_FFI_Attrs", "struct_size extension_start size types names attrs"),
    "CallFrame": ("XLA_FFI_CallFrame", "struct_size extension_start api ctx stage args rets attrs"),
}
API = {
    "error_create": "XLA_FFI_Error_Create",
    "error_destroy": "XLA_FFI_Error_Destroy",
    "thread_pool_schedule": "XLA_FFI_ThreadPool_Schedule",
    "thread_pool_num_threads": "XLA_FFI_ThreadPool_NumThreads",
}
NUMBERS = {
    "METADATA": "XLA_FFI_Extension_Metadata",
    "S64": "XLA_FFI_DataType_S64",
    "F16": "XLA_FFI_DataType_F16",
    "BF16": "XLA_FFI_DataType_BF16",
    "F32": "XLA_FFI_DataType_F32",
    "F64": "XLA_FFI_DataType_F64",
    "BUFFER_ARG": "XLA_FFI_ArgType_BUFFER",
    "BUFFER_RET": "XLA_FFI_RetType_BUFFER",
    "SCALAR": "XLA_FFI_AttrType_SCALAR",
    "EXECUTE": "XLA_FFI_ExecutionStage_EXECUTE",
    "INVALID_ARGUMENT": "XLA_FFI_Error_Code_INVALID_ARGUMENT",
    "RESOURCE_EXHAUSTED": "XLA_FFI_Error_Code_RESOURCE_EXHAUSTED",
    "INTERNAL": "XLA_FFI_Error_Code_INTERNAL",
}


def header_asserts(header: str) -> str:
    """Return a C++ file that compiles if the declarations fit the header."""
    # Renamed in API 0.4.
    extension = "InternalExtension" if "XLA_FFI_InternalExtension" in header else "Extension_Base"
    text = '#include "xla/ffi/api/c_api.h"\n#include "xla_ffi_abi.h"\nnamespace ours = localnorm::xla;\n'
    checks = ["XLA_FFI_API_MAJOR == ours::MAJOR", "XLA_FFI_API_MINOR >= ours::OLDEST_MINOR"]
    checks += [f"int(ours::{ours}) == int({theirs})" for ours, theirs in NUMBERS.items()]
    for ours, (theirs, members) in STRUCTS.items():
        their_name = theirs.format(extension=extension)
        for member in members.split():
            place = f"(ours::{ours}, {member}) == offsetof({their_name}, {member})"
            size = f"sizeof(ours::{ours}::{member}) == sizeof({their_name}::{member})"
            # What a runtime sees of Metadata beyond our last member it sets itself.
            checks += [f"offsetof{place}", *([] if member == "api_version" else [size])]
    for name in ("extension_start", "api_version", "internal_api"):
        checks.append(f"offsetof(ours::Api, {name}) == offsetof(XLA_FFI_Api, {name})")
    checks += [f"offsetof(ours::Api, {ours}) == offsetof(XLA_FFI_Api, {theirs})" for ours, theirs in API.items()]
    # Structs of which XLA makes or reads all: XLA_FFI_STRUCT_SIZE is checked against struct_size.
    whole = [name for name in STRUCTS if name.endswith("Args") and name != "Args"] + ["ApiVersion"]
    checks += [f"sizeof(ours::{name}) >= sizeof({STRUCTS[name][0]})" for name in whole]
    return text + "\n".join(f'static_assert({check}, "{check}");' for check in checks)


def compiled(source: str, include: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "check.cpp"
    path.write_text(source)
    command = ["c++", "-std=c++17", "-fsyntax-only", f"-I{include}", f"-I{NATIVE / 'src'}", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_declarations_fit_the_header_of_the_installed_jaxlib(tmp_path: Path):
    header = Path(jax.ffi.include_dir()) / "xla" / "ffi" / "api" / "c_api.h"
    try:
        done = compiled(header_asserts(header.read_text()), jax.ffi.include_dir(), tmp_path)
    except FileNotFoundError:
        pytest.skip("no C++ compiler")
    assert done.returncode == 0, done.stderr
    # The assertions do compare: one that is wrong is noticed.
    wrong = header_asserts(header.read_text()).replace(
        "offsetof(ours::Buffer, dims)", "8 + offsetof(ours::Buffer, dims)"
    )
    assert compiled(wrong, jax.ffi.include_dir(), tmp_path).returncode != 0
