"""Tagged PDF (PDF/UA-1) through typst, which is optional: the same bytes for the same words.

Letters that typst's own fonts do not have (Chinese, emoji) are set with the machine's fonts, so their bytes
differ from machine to machine.

What is shown reaches typst as JSON and is shown as text: nothing in it can be markup.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from reticent.errors import SystemRefused


def pdf(template: Path, data: Mapping[str, Any], made: datetime) -> bytes:
    """Set ``data`` by a template and return the PDF, dated ``made``.

    Raises SystemRefused where typst is not installed, or no font here has every letter of these words.
    """
    try:
        import typst
    except ImportError:
        raise SystemRefused(
            "PDF needs typst, which is not installed here.",
            do='Install the extra ("reticent[letters]"), or use the plain text or the HTML, which say the same.',
        ) from None
    for own_fonts in (True, False):
        # What typst says when it fails quotes the words.
        with suppress(RuntimeError):
            return bytes(
                typst.compile(
                    str(template),
                    root=str(template.parent),
                    ignore_system_fonts=own_fonts,
                    format="pdf",
                    pdf_standards=["ua-1"],
                    sys_inputs={"data": json.dumps(data)},
                    timestamp=int(made.timestamp()),
                )
            )
    raise SystemRefused(
        "typst could not set these words: no font here has all their letters.",
        do="Install one that has (Noto covers most scripts), or use the plain text or the HTML, which say the same.",
    )
