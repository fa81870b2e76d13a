"""The end of a process, without torch being taken apart object by object, which takes half a second."""

from __future__ import annotations

import atexit
import os
import sys


class LastExit:
    """Ends the process once all is done that has to be done at exit.

    To be made before anything else registers with `atexit`, for what is registered first is called last:
    then threads have ended, and everybody has closed what he opened.

    Attributes:
        code: Exit code of the process; while it is None Python ends as ever.
    """

    def __init__(self) -> None:
        self.code: int | None = None
        atexit.register(self._end_process)

    def _end_process(self) -> None:
        watched = sys.gettrace() is not None or sys.getprofile() is not None  # who wants to see the end
        if self.code is None or watched:
            return
        from lrfind.report.streams import flush_all

        if flush_all():  # where it fails Python says so
            os._exit(self.code)
