"""Open a viewer: from Python, from a notebook, from the command line."""

from __future__ import annotations

import html
import socket
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path

import xarray as xr

from .opening import opened
from .overview import open_overview
from .page import Pages
from .server import Server, bind, check_bokeh
from .state import State
from .underlay import Underlay

HEIGHT = 900  # pixels of the screen, in a notebook
Progress = Callable[[str, int, int], None]


class Viewer:
    """A viewer that runs: a server in a thread of this process.

    Attributes
    ----------
    address : str
        Of the page, for a browser on this machine. Whoever knows it can see and edit what is shown.
    """

    def __init__(self, state: State, bound: socket.socket | None = None) -> None:
        self.state = state
        self._pages = Pages(state)
        self._server = Server(self._pages.fill, bound)
        self._server.start()
        self.address = self._server.address
        self.port = self._server.port

    def __repr__(self) -> str:
        return f"<Viewer of {self.state.title} on port {self.port}>"

    def _repr_html_(self) -> str:
        """Show the page in a notebook."""
        return (
            f'<iframe src="{html.escape(self.address)}" title="spectessera" '
            f'style="width: 100%; height: {HEIGHT}px; border: 1px solid #888888"></iframe>'
        )

    @property
    def result(self) -> xr.Dataset | None:
        """The result with the corrections that were made in the viewer; None of a cube alone."""
        return self.state.result

    def wait(self) -> None:
        """Wait until the viewer is closed; Ctrl-C raises KeyboardInterrupt."""
        self._server.wait()

    def close(self) -> None:
        """Stop the server. Edits are kept; a page that is open shows nothing new any more."""
        self._server.close()
        self._pages.close()


def view(
    source: xr.Dataset | xr.DataArray | str | Path,
    cube: xr.DataArray | str | Path | None = None,
    *,
    port: int = 0,
    browser: bool | None = None,
    photo: str | Path | None = None,
    points: str | Path | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Viewer:
    """Look at a result, or at a cube, in a browser.

    The map is on the left and spectra are on the right: point at a pixel to see its spectrum, click
    to keep it, draw a region to see its mean and spread. The spectra are read from the file, one
    pixel at a time. A server is started for this machine only (127.0.0.1), at an address with a
    random token.

    Parameters
    ----------
    source : Dataset, DataArray, str or Path
        A result or a cube; the folder of ``spectessera segment``, or a file of either.
    cube : DataArray, str or Path, optional
        The cube of a result, for the spectra of pixels. By default the one from which the result in
        a folder was made.
    port : int
        0: any free one.
    browser : bool, optional
        Whether to open the page in a browser; by default not in a notebook, which shows it itself.
    photo : str or Path, optional
        A photograph or an infrared picture, to be laid under the maps.
    points : str or Path, optional
        File of pairs of points that align the photograph (.csv, .json or .toml); it is written when
        points are clicked, and made if it is not there.
    cache : str or Path, optional
        Folder for the overviews of large cubes; see
        :func:`spectessera.viewer.overview.open_overview`.
    progress : callable, optional
        Called with a step, what is done and what there is, while an overview is made.

    Returns
    -------
    Viewer
        ``address`` of the page, and ``close()``.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or the cube of a result is no longer where it was.
    ValueError
        If a cube and its result have other sizes, or points are given without a photograph.
    OSError
        If the port is taken.
    ImportError
        If bokeh is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import spectessera as spt
    >>> counts = np.random.default_rng(0).poisson(5, (8, 9, 40))
    >>> cube = spt.make_cube(counts, energy=(1.0, 20.0))
    >>> viewer = spt.view(cube, browser=False)
    >>> viewer.address.startswith("http://127.0.0.1:")
    True
    >>> viewer.close()
    """
    check_bokeh()
    if points is not None and photo is None:
        raise ValueError("points belong to a photograph: give photo= (--photo FILE) as well")
    bound = bind(port)  # before the work
    try:
        underlay = None if photo is None else Underlay(photo, points)
        shown = opened(source, cube)
        overview = None if shown.cube is None else open_overview(shown.cube, cache, progress)
        viewer = Viewer(State(shown, overview, underlay), bound)
    except BaseException:
        bound.close()
        raise
    if browser is None:
        browser = not in_notebook()
    if browser:
        webbrowser.open(viewer.address)
    return viewer


def in_notebook() -> bool:
    """Return whether this runs in the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"
