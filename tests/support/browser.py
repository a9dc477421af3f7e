"""Open a page in a headless browser and return its size, its plots and the accessibility rules it breaks."""

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
  const told = document.createElement("pre");
  told.id = "told";
  told.textContent = event.data;
  document.body.append(told);
}});
</script>"""
_TRIES = 2
"""A headless browser that starts on a busy machine sometimes hangs."""

_LOOK = """
const told = document.createElement("pre");
told.id = "told";
const problems = [];
window.addEventListener("error", (event) => problems.push(event.message));
document.addEventListener("securitypolicyviolation", (event) => problems.push(event.blockedURI));
window.addEventListener("load", async () => {
  const scroller = document.scrollingElement;
  const found = {width: window.innerWidth, scrolled: scroller.scrollWidth, title: document.title};
  found.drawn = document.querySelectorAll(".plot .main-svg").length > 0;
  found.plots = document.querySelectorAll(".plot").length;
  const notes = [...document.querySelectorAll(".undrawn")];
  found.undrawn = notes.filter((note) => !note.hidden).map((note) => note.textContent);
  found.images = [...document.images].map((image) => image.naturalWidth);
  // Folded content must be readable too.
  for (const folded of document.querySelectorAll("details")) folded.open = true;
  found.opened = scroller.scrollWidth;
  if (RULES.length) {
    const result = await axe.run(document, {runOnly: RULES});
    found.passed = result.passes.length;
    found.violations = result.violations.map((v) => [v.id, v.nodes.slice(0, 5).map((node) => node.html)]);
  }
  found.problems = problems;
  told.textContent = JSON.stringify(found);
  document.body.append(told);
  if (parent !== window) parent.postMessage(told.textContent, "*");
});
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
    script = f"<script>{axe}\nconst RULES = {json.dumps(rules)};\n{_LOOK}</script>"
    copy = page.with_name(f"looked-at-{page.name}")
    # In the head, to catch every problem.
    copy.write_text(page.read_text(encoding="utf-8").replace("</title>", f"</title>{script}", 1), encoding="utf-8")
    opened = copy
    if width < _NARROWEST:
        opened = page.with_name(f"frame-of-{page.name}")
        opened.write_text(_FRAME.format(page=copy.name, width=width), encoding="utf-8")
    try:
        shown = _shown(opened, profile, max(width, _NARROWEST))
    finally:
        copy.unlink()
        opened.unlink(missing_ok=True)
    told = re.search(r'<pre id="told">(.*?)</pre>', shown, re.DOTALL)
    assert told, f"{page.name} did not come to its end in the browser: {shown[-300:]}"
    found: dict[str, Any] = json.loads(unescape(told[1]))
    return found


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
        own = [
            f"--user-data-dir={profile / str(attempt)}",
            "--virtual-time-budget=20000",
            "--dump-dom",
            page.as_uri(),
        ]
        try:
            ran = subprocess.run([*command, *own], capture_output=True, text=True, timeout=60, check=True)
        except subprocess.TimeoutExpired:
            continue
        return ran.stdout
    raise TimeoutError(f"{BROWSER} did not open {page} within 60 seconds, {_TRIES} times")
