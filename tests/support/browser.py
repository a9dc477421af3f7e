"""Open a page in headless Chromium: its size, plots, the accessibility rules it breaks, results of scripts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from importlib.resources import files
from pathlib import Path
from typing import Any

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), "")
WHY_NONE = "no chromium and no google-chrome on PATH: install one to check the pages in a real browser"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa")
_NARROWEST = 500
"""Chromium's narrowest window in pixels; a narrower page is put into a frame."""
_FRAME = """<!doctype html><title>frame</title><iframe src="{page}" width="{width}" height="900"></iframe><script>
window.addEventListener("message", (event) => {{
  const result = document.createElement("pre");
  result.id = "result";
  result.textContent = event.data;
  document.body.append(result);
}});
</script>"""
_TRIES = 2
"""A headless browser that starts on a busy machine sometimes hangs."""

_RUN = """
window.addEventListener("load", async () => {
  const result = document.createElement("pre");
  result.id = "result";
  try {
    result.textContent = JSON.stringify(await (async () => { %s })());
  } catch (error) {
    result.textContent = JSON.stringify({error: String(error.stack)});
  }
  document.body.append(result);
  if (parent !== window) parent.postMessage(result.textContent, "*");
});
"""

_PROBLEMS = """
const problems = [];
window.addEventListener("error", (event) => problems.push(event.message));
document.addEventListener("securitypolicyviolation", (event) => problems.push(event.blockedURI));
"""

_LOOK = """
  const scroller = document.scrollingElement;
  const seen = {width: window.innerWidth, scrolled: scroller.scrollWidth, title: document.title};
  seen.drawn = document.querySelectorAll(".plot .main-svg").length > 0;
  seen.plots = document.querySelectorAll(".plot").length;
  const notes = [...document.querySelectorAll(".undrawn")];
  seen.undrawn = notes.filter((note) => !note.hidden).map((note) => note.textContent);
  seen.images = [...document.images].map((image) => image.naturalWidth);
  // Folded content must be readable too.
  for (const folded of document.querySelectorAll("details")) folded.open = true;
  seen.opened = scroller.scrollWidth;
  if (RULES.length) {
    const result = await axe.run(document, {runOnly: RULES});
    seen.passed = result.passes.length;
    seen.violations = result.violations.map((v) => [v.id, v.nodes.slice(0, 5).map((node) => node.html)]);
  }
  seen.problems = problems;
  return seen;
"""


def look(page: Path, profile: Path, *, width: int = 1200, rules: tuple[str, ...] = ()) -> dict[str, Any]:
    """Open a copy of a page beside it and return its size, its plots, and the rules of axe that it breaks.

    Args:
        page: the file.
        profile: an empty folder for the browser.
        width: of the page in pixels; with rules at least 500, because axe checks some of them in a window alone.
        rules: tags of axe's rules.
    """
    axe = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8") if rules else ""
    script = f"{axe}\nconst RULES = {json.dumps(rules)};\n{_PROBLEMS}{_RUN % _LOOK}"
    seen: dict[str, Any] = _result(page, profile, script, width)
    return seen


def run_script(page: Path, profile: Path, body: str, *, width: int = 1200) -> Any:
    """Open a copy of a page beside it, run the body of an async function there, and return its result.

    Args:
        page: the file.
        profile: an empty folder for the browser.
        body: JavaScript that returns a JSON value; it sees the page's global names.
        width: of the page in pixels.
    """
    return _result(page, profile, _RUN % body, width)


def _result(page: Path, profile: Path, script: str, width: int) -> Any:
    """Return what a script in the head of a page's copy has written when the page is loaded."""
    copy = page.with_name(f"looked-at-{page.name}")
    # In the head, to catch every problem.
    tag = f"</title><script>{script}</script>"
    copy.write_text(page.read_text(encoding="utf-8").replace("</title>", tag, 1), encoding="utf-8")
    opened = copy
    if width < _NARROWEST:
        opened = page.with_name(f"frame-of-{page.name}")
        opened.write_text(_FRAME.format(page=copy.name, width=width), encoding="utf-8")
    try:
        shown = _shown(opened, profile, max(width, _NARROWEST))
    finally:
        copy.unlink()
        opened.unlink(missing_ok=True)
    written = re.search(r'<pre id="result">(.*?)</pre>', shown, re.DOTALL)
    assert written, f"{page.name} did not come to its end in the browser: {shown[-300:]}"
    result = json.loads(unescape(written[1]))
    assert not (isinstance(result, dict) and "error" in result), result["error"]
    return result


def _shown(page: Path, profile: Path, width: int) -> str:
    """Return the page's DOM after its scripts have run."""
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ]
    command += ["--disable-background-networking", "--no-first-run", f"--window-size={width},900"]
    for attempt in range(_TRIES):
        flags = [
            f"--user-data-dir={profile / str(attempt)}",
            "--virtual-time-budget=20000",
            "--dump-dom",
            page.as_uri(),
        ]
        try:
            ran = subprocess.run([*command, *flags], capture_output=True, text=True, timeout=60, check=True)
        except subprocess.TimeoutExpired:
            continue
        return ran.stdout
    raise TimeoutError(f"{BROWSER} did not open {page} within 60 seconds, {_TRIES} times")
