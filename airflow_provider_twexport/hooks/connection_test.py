"""What the Test button of a connection says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def tested(test: Callable[[], str]) -> tuple[bool, str]:
    """Tell whether a test passes, and what it says; never raises.

    :param test: makes free calls only, and returns what the connection can do.
    """
    from airflow_provider_twexport.exceptions import TwexportError

    try:
        return True, test()
    except TwexportError as error:
        return False, str(error)
    except Exception as error:
        # the text goes to a browser; what an unforeseen error says may hold anything
        return False, f"The test failed unexpectedly ({type(error).__name__}); see the server's log."
