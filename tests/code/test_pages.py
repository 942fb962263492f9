"""The pages of docs/tables say what the contracts say."""

from moe import pages


def test_pages_are_current() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in pages.folder().glob("*.md")}
    assert written == pages.pages(), "run `moe pages` and commit docs/tables"


def test_a_page_names_key_unit_and_class() -> None:
    page = pages.pages()["core.web_event__event.md"]
    assert "| event_id | VARCHAR |  | key |" in page
    assert "required; personal" in page
    assert "- Written by: land" in page
    assert "Read by: sessions" in page
