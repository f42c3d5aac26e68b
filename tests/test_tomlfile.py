"""Every complaint about a data file names the file and the line."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, StrictInt

from reticent.errors import ConfigurationError
from reticent.tomlfile import line, lines_of, read


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: StrictInt


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    part: tuple[Inner, ...] = ()


def complaint(tmp_path: Path, text: str | bytes) -> ConfigurationError:
    path = tmp_path / "data.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError) as caught:
        read(path, Outer, "Mend it.")
    return caught.value


@pytest.mark.parametrize(
    ("text", "number", "says"),
    [
        ('name = "a"\n\n[[part]]\nsize = 1\n[[part]]\nsize = "2"\n', 6, "part.1.size"),
        ('name = "a"\n[[part]]\nsize = 1\nsizes = 1\n', 4, "did you mean 'size'?"),
        ("[[part]]\nsize = 1\n", 1, "name is missing"),
        ('name = "a"\nname = \n', 2, "not TOML"),
        ('name = """\nsize = 3\n"""\n[[part]]\n', 4, "part.0.size is missing"),
        ("name = [", 1, "not TOML"),
    ],
)
def test_fault_names_its_line(tmp_path: Path, text: str, number: int, says: str) -> None:
    error = complaint(tmp_path, text)
    assert says in error.what
    assert f"data.toml, line {number}:" in error.what
    assert error.where.endswith(f"data.toml:{number}")
    assert error.do == "Mend it."


def test_all_faults_are_told_at_once_in_order(tmp_path: Path) -> None:
    error = complaint(tmp_path, "name = 1\n[[part]]\nsize = true\n[[part]]\nsize = 1.5\n")
    assert [text.split(":")[0] for text in error.what.splitlines()] == [f"data.toml, line {n}" for n in (1, 3, 5)]


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_unreadable_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        assert "cannot be read" in complaint(tmp_path, content).what
        return
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read(tmp_path / "absent.toml", Outer, "Mend it.")


@given(st.text(alphabet='[]="\n #.ab1\\', max_size=80))
def test_any_text_loads_or_is_refused_with_a_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8", newline="")
    with contextlib.suppress(ConfigurationError):
        read(path, Outer, "Mend it.")
        return
    with pytest.raises(ConfigurationError, match=r", line \d+"):
        read(path, Outer, "Mend it.")


def test_nested_arrays_are_numbered() -> None:
    lines = lines_of("[[a]]\n[[a.b]]\nx = 1\n[[a]]\n[[a.b]]\nx = 2\n")
    assert lines[("a", 1)] == 4
    assert line(lines, ("a", 0, "b", 0, "x")) == 3
    assert line(lines, ("nowhere",)) == 1
