"""What all displays share: a figure made on demand, drawn by matplotlib or as SVG."""

from __future__ import annotations

import importlib
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Self

from riskwright.core import Estimate, ParameterError

from .figure import Figure, runs
from .layout import figure_picture
from .on_axes import draw
from .svg import to_svg

__all__ = [
    "Display",
    "basis",
    "interval",
    "listed",
    "metric",
    "named",
    "numbers",
    "share",
    "titled",
    "worded",
]

_ABBREVIATED = frozenset({"auroc", "aurc", "augrc", "ece"})


class Display(ABC):
    """Numbers that are drawn when somebody asks.

    A display only stores the record it is given; `figure` says what is shown, `plot` draws it with
    matplotlib, `to_svg` as text that loads nothing. `reading` tells a reader in one sentence how to
    read it.
    """

    reading: ClassVar[str]

    @abstractmethod
    def figure(self) -> Figure:
        """Axes, marks and words, in the units of the data."""

    def plot(self, ax: Any = None) -> Self:
        """Draw on matplotlib's axes `ax`, or on new ones; sets `ax_` and `figure_`.

        Raises
        ------
        MissingExtraError : where matplotlib is not installed.
        """
        self.ax_ = draw(self.figure(), ax)
        self.figure_ = self.ax_.figure
        return self

    def to_svg(
        self,
        *,
        width: float = 440,
        height: float = 440,
        name: str | None = None,
        bare: bool = False,
    ) -> str:
        """The figure as one `<svg>` element, with a title and a description for screen readers.

        It can stand in a file or within a page; less than 30 kB, however many points there are.

        Parameters
        ----------
        width, height : in pixels of 1/96 inch, 240 to 4,000 wide; higher where the words need it.
        name : prefix of the identifiers within the element, by default one made from its content.
        bare : without the visible title and caption, for pages that say both themselves.

        Raises
        ------
        ParameterError : for a size out of range.
        """
        for side, size, least in (("width", width, 240), ("height", height, 0)):
            if not least <= size <= 4000:
                raise ParameterError(
                    "impossible size", where=side, expected=f"{least} to 4000", got=repr(size)
                )
        picture = figure_picture(self.figure(), width, height, bare=bare)
        if name is None:
            name = f"figure-{zlib.crc32(repr(picture).encode('utf-8', 'replace')):08x}"
        return to_svg(picture, name=name)

    def _repr_svg_(self) -> str:
        return self.to_svg()


def metric(name: str) -> Callable[..., Any]:
    """A function of `riskwright.metrics`, loaded when it is used."""
    function: Callable[..., Any] = getattr(importlib.import_module("riskwright.metrics"), name)
    return function


def titled(what: str, name: str) -> str:
    return f"{what}: {name}" if name else what


def named(key: str) -> str:
    """The name of a figure in words."""
    words = key.replace("_", " ")
    return words.upper() if key in _ABBREVIATED else words


def worded(estimate: Estimate) -> str:
    """A figure with its interval, or why there is none."""
    if estimate.value != estimate.value:
        return f"not defined ({estimate.method.removeprefix('none: ')})"
    return str(estimate)


def listed(words: Sequence[str], most: int, between: str = "; ") -> str:
    """The first of many words, and how many more there are."""
    more = [f"and {len(words) - most:,} more"] if len(words) > most else []
    return between.join([*words[:most], *more])


def share(value: float) -> str:
    """A share in percent, for descriptions."""
    return f"{100 * value:.1f}%" if value == value else "unknown"


def numbers(values: Iterable[float]) -> tuple[float, ...]:
    """Any row of numbers as a plain tuple."""
    return tuple(map(float, values))


def _method(curve: Any) -> str:
    """The method of all intervals, or those of the places of the curve, each once."""
    methods = (curve.method,) if hasattr(curve, "method") else getattr(curve, "methods", ())
    return listed([m.removeprefix("none: ") for m in dict.fromkeys(methods)], 3)


def interval(curve: Any) -> str:
    """What a band or bar is, for the legend."""
    return f"{100 * curve.level:g}% interval"


def basis(
    curve: Any,
    low: Sequence[float],
    high: Sequence[float],
    *,
    what: str = "Band",
    simultaneous: bool | None = None,
) -> str:
    """Number of rows, and level and method of the intervals, as one line of a caption."""
    method = _method(curve)
    if not runs(low, high):
        return f"n = {curve.n:,}; no intervals: {method or 'none were given'}."
    scope = {None: "", True: " for all bins at once", False: ", each bin on its own"}
    by = f" ({method})" if method else ""
    return f"n = {curve.n:,}. {what}: {100 * curve.level:g}% intervals{scope[simultaneous]}{by}."
