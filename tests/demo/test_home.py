"""The demo's home belongs to one demo at a time and starts empty."""

from pathlib import Path

import pytest

from demo.errors import DemoError
from demo.home import fresh_home


def test_an_old_home_is_emptied(tmp_path: Path) -> None:
    """Nothing of an earlier demo is left, links are not followed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    home = tmp_path / "home"
    (home / "lake").mkdir(parents=True)
    (home / "lake" / "part").write_text("old")
    (home / "link").symlink_to(outside)
    with fresh_home(home):
        assert list(home.iterdir()) == []
    assert outside.is_dir()


def test_a_second_demo_is_refused(tmp_path: Path) -> None:
    """Two demos in one home would wipe each other."""
    with (
        fresh_home(tmp_path),
        pytest.raises(DemoError, match="Another demo is running"),
        fresh_home(tmp_path),
    ):
        pass


def test_the_home_can_be_used_again(tmp_path: Path) -> None:
    """A demo that ended releases its home."""
    for _ in range(2):
        with fresh_home(tmp_path):
            pass
