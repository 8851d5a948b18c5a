"""What Airflow learns of this provider without importing the rest of it."""

from __future__ import annotations

from typing import Any

from airflow_provider_twexport import __version__

_INTEGRATION = "Talkwalker"
_OPTIONS = {
    "landings": {
        "description": "Directories to look for landings and ledgers below, with commas between them. "
        "A connection is named before an @.",
        "version_added": "0.1.0",
        "type": "string",
        "example": "s3://lake_conn@lake/talkwalker, file:///lake",
        "default": "",
    },
    "connections": {
        "description": "Talkwalker connections to show, with commas between them. Empty: all that are in the "
        "database or the environment of the API server.",
        "version_added": "0.1.0",
        "type": "string",
        "example": "talkwalker_default",
        "default": "",
    },
    "poll_seconds": {
        "description": "Seconds between two looks at an account's exports; each API server looks for itself, and "
        "only while somebody has the page open.",
        "version_added": "0.1.0",
        "type": "float",
        "example": None,
        "default": "10",
    },
}


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata (schema: ``airflow/provider_info.schema.json``)."""
    package = __package__
    return {
        "package-name": "airflow-provider-twexport",
        "name": "twexport",
        "description": "Lands paid export jobs of social and customer data in object storage, exactly once.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://developer.talkwalker.com",
                "tags": ["service"],
            }
        ],
        "hooks": [{"integration-name": _INTEGRATION, "python-modules": [f"{package}.hooks.talkwalker"]}],
        "operators": [
            {
                "integration-name": _INTEGRATION,
                "python-modules": [
                    f"{package}.operators.talkwalker",
                    f"{package}.operators.talkwalker_coverage",
                    f"{package}.operators.talkwalker_estimate",
                ],
            }
        ],
        "sensors": [{"integration-name": _INTEGRATION, "python-modules": [f"{package}.sensors.talkwalker"]}],
        "triggers": [
            {"integration-name": _INTEGRATION, "python-modules": [f"{package}.triggers.talkwalker"]}
        ],
        "transfers": [
            {
                "source-integration-name": _INTEGRATION,
                "target-integration-name": _INTEGRATION,
                "python-module": f"{package}.transfers.talkwalker_to_object_storage",
            }
        ],
        "extra-links": [f"{package}.links.TalkwalkerExportLink", f"{package}.links.ExportsPageLink"],
        "plugins": [{"name": "twexport", "plugin-class": f"{package}.plugin.twexport_plugin.TwexportPlugin"}],
        "config": {"twexport": {"description": "The Exports page of the Airflow UI.", "options": _OPTIONS}},
        "connection-types": [
            {
                "connection-type": "talkwalker",
                "hook-class-name": f"{package}.hooks.talkwalker.TalkwalkerHook",
                "hook-name": "Talkwalker",
                "conn-fields": {
                    "project_id": {
                        "label": "Project ID",
                        "description": "Used where an operator names neither a project nor a stream.",
                        "schema": {"type": ["string", "null"]},
                    }
                },
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port", "login", "extra"],
                    "relabeling": {"host": "API address", "password": "Access token"},
                    "placeholders": {
                        "host": "https://api.talkwalker.com",
                        "password": "needs read and write rights to create exports",
                    },
                },
            }
        ],
    }
