"""Great Expectations' Data Docs as single pages that load nothing from anywhere.

The stock pages fetch style sheets and scripts from six hosts, and a logo whose address tells when and where it was
opened. Here links and scripts are taken out, a small style sheet stands in, and a content policy forbids the rest.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from assets.validation.gx_verdicts import NOT_MEASURED

DATA_DOCS = "data_docs"
"""The folder of the lake that holds the pages."""

POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
)

STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #212529; margin: 0 auto; max-width: 1100px; padding: 1rem; }
a { color: #1864ab; } h1, h2, h3, h4, h5 { margin: 1.2em 0 .4em; } ul { padding-left: 1.2rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; } pre { white-space: pre-wrap; }
th, td { border: 1px solid #dee2e6; padding: .35rem .6rem; text-align: left; vertical-align: top; }
.badge { background: #e9ecef; border-radius: 4px; padding: 0 .4em; } .row { display: block; }
.fa-check-circle::before { content: "✓"; color: #2b8a3e; } .fa-times::before { content: "✗"; color: #c92a2a; }
.fa-minus::before { content: "\\2013"; } .fa-exclamation-triangle::before { content: "!"; color: #e67700; }
.alert { border-left: 4px solid #adb5bd; background: #f8f9fa; padding: .6rem .9rem; margin: .4rem 0; }
.card:not(:target), nav, .modal, .ge-walkthrough-modal, .navigation, #cta-footer, button { display: none; }
@media (prefers-color-scheme: dark) {
  body { background: #1a1b1e; color: #dee2e6; } .alert, .badge { background: #2c2e33; }
}
</style>"""

REMOTE = re.compile(
    r"<script\b.*?</script>|<footer\b.*?</footer>|<script\b[^>]*/>|<link\b[^>]*>|<img\b[^>]*>|<iframe\b.*?</iframe>|<!--.*?-->",
    re.S | re.I,
)
CSS_URL = re.compile(r"url\((?!['\"]?data:)[^)]*\)|@import[^;]*;", re.I)
HANDLER = re.compile(r"\son\w+=(?:\"[^\"]*\"|'[^']*')(?=[^<>]*>)", re.I)
TITLE = re.compile(r"<title>.*?</title>", re.S)
UNMEASURED = re.compile(rf"fa-check-circle text-success(?=(?:(?!</tr>).)*{NOT_MEASURED}:)", re.S)
"""The sign of success in a row that says so."""

REMOTE_LINK = re.compile(r"<a\b[^>]*href=['\"](?!#)[^>]*>(.*?)</a>", re.S | re.I)


@dataclass(frozen=True)
class DataDocs:
    """The pages of all assets.

    Attributes:
        folder: Holds a folder of pages for each asset.
        url: Where readers reach it over HTTP; empty: as files.
    """

    folder: Path
    url: str = ""

    def write(self, asset: str, page: str, report: Any) -> str:
        """Writes the page of one validation of an asset; returns its address."""
        written = write_data_docs(self.folder / asset, page, report)
        assets = sorted(path.parent.name for path in self.folder.glob("*/index.html"))
        _replace(self.folder / "index.html", _list("Data Docs", {name: f"{name}/index.html" for name in assets}))
        return f"{self.url.rstrip('/')}/{quote(asset)}/{quote(written.name)}" if self.url else written.as_uri()


def write_data_docs(folder: Path, page: str, report: Any) -> Path:
    """Writes the page of one validation and the folder's index; returns the page.

    Args:
        folder: The table's folder of Data Docs.
        page: Name of the page without suffix; an older page of that name is replaced.
        report: `Validation.report`.
    """
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    report.meta |= {"run_id": {"run_name": page}, "batch_kwargs": {"data_asset_name": folder.name}}
    view: Any = DefaultJinjaPageView()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{page}.html"
    rendered = self_contained(view.render(ValidationResultsPageRenderer().render(report)))
    rendered = TITLE.sub(f"<title>{html.escape(f'{folder.name} {page}')}</title>", rendered)
    _replace(path, UNMEASURED.sub("fa-minus", rendered))
    _replace(folder / "index.html", _index(folder))
    return path


def self_contained(page: str) -> str:
    """`page` without anything that a browser would fetch."""
    page = REMOTE_LINK.sub(r"\1", CSS_URL.sub("none", HANDLER.sub("", REMOTE.sub("", page))))
    return page.replace("<head>", f"<head>{POLICY}", 1).replace("</head>", f"{STYLE}</head>", 1)


def _index(folder: Path) -> str:
    pages = sorted((p.stem for p in folder.glob("*.html") if p.stem != "index"), reverse=True)
    return _list(f"Data Docs: {folder.name}", {page: f"{page}.html" for page in pages})


def _list(title: str, pages: Mapping[str, str]) -> str:
    """A page of links: what each is called, to where it leads."""
    links = "".join(f'<li><a href="{html.escape(to)}">{html.escape(name)}</a></li>' for name, to in pages.items())
    title = html.escape(title)
    return (
        f'<!DOCTYPE html><html><head>{POLICY}<meta charset="utf-8"><title>{title}</title>{STYLE}</head>'
        f"<body><h1>{title}</h1><ul>{links}</ul></body></html>"
    )


def _replace(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
