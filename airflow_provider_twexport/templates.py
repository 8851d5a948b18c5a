"""Rendered templates of operators, and what is read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from airflow.sdk import BaseOperator

from airflow_provider_twexport.core.arguments import is_template, parse_choice, parse_value
from airflow_provider_twexport.core.partitioning import PartitionBy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import jinja2
    from airflow.sdk import DAG, Context

# native rendering takes the quotes from a quoted phrase, and digits for a number
TEXT_FIELDS = frozenset({"query", "tag"})
# where a template that has no value must not become None, which is no limit
BUDGET_FIELDS = frozenset(
    {"max_credits", "min_credits_left", "max_credits_per_run", "max_credits_per_day", "max_requests"}
)


# what the operators that wait for results and land them may be told to do
LANDING_CHOICES = {
    "on_truncated": ("warn", "fail", "skip", "split"),
    "on_incomplete": ("fail", "warn"),
    "repeats": ("keep", "drop"),
}


class TemplatedOperator(BaseOperator):
    """Base of all operators: a field that renders to nothing is ``None``, and a query always stays the text it is.

    ``""`` stays ``""`` where it was given as such, because ``project_id=""`` means no project. A budget stays what it
    is, because ``None`` means no limit.
    """

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        """Render all fields; Airflow calls this for mapped and plain operators alike."""
        names = list(template_fields)
        texts = [name for name in names if name in TEXT_FIELDS]
        others = [name for name in names if name not in TEXT_FIELDS]
        render = super()._do_render_template_fields
        if texts:
            render(parent, texts, context, context["dag"].get_template_env(force_sandboxed=True), seen_oids)
        render(parent, others, context, jinja_env, seen_oids)
        for name in names:
            if name not in BUDGET_FIELDS and getattr(parent, name, None):
                setattr(parent, name, parse_value(getattr(parent, name)))

    def _render(self, template: jinja2.Template, context: Context, dag: DAG | None = None) -> Any:
        """Render a template natively only where its environment is native; Airflow looks at the DAG alone."""
        from airflow.sdk.definitions.context import render_template_to_string
        from jinja2.nativetypes import NativeEnvironment

        if isinstance(template.environment, NativeEnvironment):
            return super()._render(template, context, dag)
        return render_template_to_string(template, context)


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Check a choice when the DAG is parsed; a template has its value only when the task runs.

    :raises InvalidRequestError: if it is none of the choices.
    """
    if not is_template(value):
        parse_choice(name, value, choices)


def check_partition_by(value: object) -> None:
    """Check ``partition_by`` when the DAG is parsed.

    :raises InvalidRequestError: if it is neither ``None`` nor a part of a date.
    """
    if value is not None:
        check_choice("partition_by", value, get_args(PartitionBy))
