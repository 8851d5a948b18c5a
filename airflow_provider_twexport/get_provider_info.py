"""What Airflow reads about this provider without importing the rest of it."""

from __future__ import annotations

from typing import Any

from airflow_provider_twexport import __version__

_INTEGRATION = "Talkwalker"
_X = "X Enterprise"
_ADOBE = "Adobe Experience Platform"
# shown because the Test button of Airflow 3.3.1 and 3.3.2 refuses connections without a port (apache/airflow#73298)
_PORT = "443; the Test button of Airflow 3.3.1 and 3.3.2 needs it"
_OPTIONS = {
    "landings": {
        "description": "Directories to search for landings and ledgers, separated by commas. Name a connection before "
        "an @.",
        "version_added": "0.1.0",
        "type": "string",
        "example": "s3://lake_conn@lake/talkwalker, file:///lake",
        "default": "",
    },
    "connections": {
        "description": "Connections to show, separated by commas. Empty: all connections of our types in the database "
        "or the environment of the API server.",
        "version_added": "0.1.0",
        "type": "string",
        "example": "talkwalker_default",
        "default": "",
    },
    "poll_seconds": {
        "description": "Seconds between two requests for an account's exports; each API server sends its own, only "
        "while somebody has the page open.",
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
            },
            {
                "integration-name": _X,
                "external-doc-url": "https://docs.x.com/x-api/enterprise-gnip-2.0/fundamentals/search-api",
                "tags": ["service"],
            },
            {
                "integration-name": _ADOBE,
                "external-doc-url": "https://experienceleague.adobe.com/en/docs/experience-platform/segmentation/api/export-jobs",
                "tags": ["service"],
            },
        ],
        "hooks": [
            {"integration-name": _INTEGRATION, "python-modules": [f"{package}.hooks.talkwalker"]},
            {"integration-name": _X, "python-modules": [f"{package}.hooks.x_enterprise"]},
            {"integration-name": _ADOBE, "python-modules": [f"{package}.hooks.adobe"]},
        ],
        "operators": [
            {
                "integration-name": _INTEGRATION,
                "python-modules": [
                    f"{package}.operators.talkwalker",
                    f"{package}.operators.talkwalker_coverage",
                    f"{package}.operators.talkwalker_estimate",
                    f"{package}.operators.talkwalker_orphans",
                ],
            },
            {"integration-name": _X, "python-modules": [f"{package}.operators.x_enterprise"]},
            {"integration-name": _ADOBE, "python-modules": [f"{package}.operators.adobe"]},
        ],
        "sensors": [
            {"integration-name": _INTEGRATION, "python-modules": [f"{package}.sensors.talkwalker"]},
            {"integration-name": _ADOBE, "python-modules": [f"{package}.sensors.adobe"]},
        ],
        "triggers": [
            {"integration-name": _INTEGRATION, "python-modules": [f"{package}.triggers.talkwalker"]},
            {"integration-name": _ADOBE, "python-modules": [f"{package}.triggers.adobe"]},
        ],
        "transfers": [
            {
                "source-integration-name": name,
                "target-integration-name": name,
                "python-module": f"{package}.transfers.{module}",
            }
            for name, module in (
                (_INTEGRATION, "talkwalker_to_object_storage"),
                (_INTEGRATION, "talkwalker_orphans"),
                (_INTEGRATION, "talkwalker_salvage"),
                (_X, "x_search_to_object_storage"),
                (_ADOBE, "adobe_to_object_storage"),
                (_ADOBE, "adobe_dataset_export"),
                (_X, "x_stream_recovery"),
                (_X, "x_stream_to_object_storage"),
            )
        ],
        "extra-links": [
            f"{package}.links.{name}"
            for name in (
                "talkwalker.TalkwalkerExportLink",
                "talkwalker.TalkwalkerConsoleLink",
                "adobe.AdobeExportJobLink",
                "exports_page.ExportsPageLink",
                "exports_page.ManifestLink",
            )
        ],
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
                    "hidden-fields": ["schema", "login", "extra"],
                    "relabeling": {"host": "API address", "password": "Access token"},
                    "placeholders": {
                        "host": "https://api.talkwalker.com",
                        "port": _PORT,
                        "password": "needs read and write rights to create exports",
                    },
                },
            },
            {
                "connection-type": "x_enterprise",
                "hook-class-name": f"{package}.hooks.x_enterprise.XEnterpriseHook",
                "hook-name": "X Enterprise",
                "conn-fields": {
                    "account": {
                        "label": "Account",
                        "description": "Name of the account in the X console, case-sensitive.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "label": {
                        "label": "Label",
                        "description": "Label of the search stream, such as prod, case-sensitive.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "product": {
                        "label": "Product",
                        "description": "fullarchive or 30day; empty: fullarchive.",
                        "schema": {"type": ["string", "null"], "enum": [None, "fullarchive", "30day"]},
                    },
                    "requests_per_minute": {
                        "label": "Requests per minute",
                        "description": "How many the contract allows for the product; empty: 120.",
                        "schema": {"type": ["integer", "null"], "minimum": 1},
                    },
                    "pool": {
                        "label": "Pool",
                        "description": "The Airflow pool that tasks on several machines share; empty: any.",
                        "schema": {"type": ["string", "null"]},
                    },
                },
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "extra"],
                    "relabeling": {"host": "API address", "login": "E-mail address"},
                    "placeholders": {
                        "host": "https://gnip-api.x.com",
                        "port": _PORT,
                        "login": "of the X console",
                    },
                },
            },
            {
                "connection-type": "adobe_experience_platform",
                "hook-class-name": f"{package}.hooks.adobe.AdobeExperiencePlatformHook",
                "hook-name": "Adobe Experience Platform",
                "conn-fields": {
                    "org_id": {
                        "label": "Organization ID",
                        "description": "As in the Developer Console: ...@AdobeOrg.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "scopes": {
                        "label": "Scopes",
                        "description": "As in the Developer Console, separated by commas.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "sandbox": {
                        "label": "Sandbox",
                        "description": "Its name, in lower case; empty: prod.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "tenant": {
                        "label": "Tenant",
                        "description": "After the @ in the URLs of Adobe's UI; for the button that opens it.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "ims_host": {
                        "label": "Identity service",
                        "description": "Empty: https://ims-na1.adobelogin.com.",
                        "schema": {"type": ["string", "null"]},
                    },
                },
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "extra"],
                    "relabeling": {"host": "API address", "login": "Client ID", "password": "Client secret"},
                    "placeholders": {
                        "host": "https://platform.adobe.io",
                        "port": _PORT,
                        "login": "of an OAuth server-to-server credential",
                    },
                },
            },
        ],
    }
