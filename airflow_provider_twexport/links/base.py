"""A button whose URL the operator pushes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey


class PushedLink(BaseOperatorLink):
    """A button to a URL that the operator pushes as soon as it is known.

    Airflow itself computes a link only when the task has ended; its UI reads only this XCom.
    """

    xcom_key = ""

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL that the operator pushed."""
        from airflow.sdk.execution_time.xcom import XCom

        return XCom.get_value(ti_key=ti_key, key=self.xcom_key) or ""

    @classmethod
    def push_url(cls, context: Context, url: str) -> None:
        """Set the URL of the button.

        :param context: of the task.
        :param url: absolute, or relative to Airflow's own.
        """
        # a script or a test may execute an operator without a task, and then there is no button
        if "ti" in context:
            context["ti"].xcom_push(key=cls.xcom_key, value=url)
