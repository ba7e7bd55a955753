"""The command line's grammar: commands with help that teaches, and errors that name the nearest valid word."""

from __future__ import annotations

import argparse
import difflib
import json
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from chiasm.errors import InvalidInput, UnknownName


class Parser(argparse.ArgumentParser):
    """An `argparse` parser whose errors suggest."""

    def error(self, message: str) -> NoReturn:
        """End with status 2, the message, and where help is."""
        self.exit(2, f"{self.prog}: {message}\nSee: {self.prog} --help\n")

    def parse_strictly(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """Parse; refuse unknown words with the nearest valid option."""
        args, unknown = self.parse_known_args(argv)
        if unknown:
            command: Parser = getattr(args, "parser", self)
            command.error(command.unknown_words(unknown))
        return args

    def unknown_words(self, words: list[str]) -> str:
        """The message for words that no option takes."""
        flags = [flag for action in self._actions for flag in action.option_strings]
        told = []
        for word in words:
            near = difflib.get_close_matches(word.partition("=")[0], flags, n=1, cutoff=0.5)
            told.append(f"{word!r}" + (f" (did you mean {near[0]}?)" if near else ""))
        return f"unknown argument {', '.join(told)}"


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], *, summary: str, details: str
) -> Parser:
    """Add one command.

    Args:
        commands: What `add_subparsers` gave.
        name: The word on the command line.
        run: Called with the parsed arguments; its result is the exit status.
        summary: One line for the list of commands.
        details: Paragraphs and examples for the command's own help.
    """
    parser: Parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary}\n\n{details}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run, parser=parser)
    return parser


def one_of(kind: str, known: Sequence[str]) -> Callable[[str], str]:
    """An argument type that takes one of some names, and otherwise suggests the nearest."""

    def check(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(str(UnknownName(kind, text, known)))
        return text

    check.__name__ = kind
    return check


def positive(kind: type[int] | type[float], low: float, high: float) -> Callable[[str], float]:
    """An argument type: a number in [low, high]."""

    def check(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = kind(-1) if low >= 0 else None  # type: ignore[assignment]
        if value is None or not low <= value <= high:
            msg = f"must be {'a whole number' if kind is int else 'a number'} in [{low:g}, {high:g}], got {text!r}"
            raise argparse.ArgumentTypeError(msg)
        return value

    check.__name__ = kind.__name__
    return check


def settings(texts: Sequence[str]) -> dict[str, Any]:
    """`key=value` texts as a dict; a value is JSON where it reads as JSON, and text otherwise.

    Raises:
        InvalidInput: A text has no "=".
    """
    out: dict[str, Any] = {}
    for text in texts:
        key, found, value = text.partition("=")
        if not (found and key.strip()):
            msg = f"a setting must be KEY=VALUE, got {text!r}"
            raise InvalidInput(msg)
        try:
            out[key.strip()] = json.loads(value)
        except ValueError:
            out[key.strip()] = value.strip()
    return out
