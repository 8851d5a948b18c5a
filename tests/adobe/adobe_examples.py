"""The examples of the vendor's page "Export jobs": an order, its job, a page of jobs, a cancellation."""

from __future__ import annotations

from typing import Any

ORDER: dict[str, Any] = {
    "fields": "identities.id,personalEmail.address",
    "mergePolicy": {"id": "timestampOrdered-none-mp", "version": 1},
    "filter": {
        "segments": [
            {"segmentId": "52c26d0d-45f2-47a2-ab30-ed06abc981ff", "segmentNs": "ups", "status": ["realized"]}
        ],
        "segmentQualificationTime": {"startTime": "2018-01-01T00:00:00Z", "endTime": "2018-02-01T00:00:00Z"},
        "fromIngestTimestamp": "2018-01-01T00:00:00Z",
        "emptyProfiles": True,
    },
    "additionalFields": {
        "eventList": {"fields": "string", "filter": {"fromIngestTimestamp": "2018-01-01T00:00:00Z"}}
    },
    "destination": {"datasetId": "5b7c86968f7b6501e21ba9df"},
    "schema": {"name": "_xdm.context.profile"},
}

JOB: dict[str, Any] = {
    "id": 100,
    "jobType": "BATCH",
    "destination": {
        "datasetId": "5b7c86968f7b6501e21ba9df",
        "segmentPerBatch": False,
        "batchId": "da5cfb4de32c4b93a09f7e37fa53ad52",
        "batches": {
            "segmentId": "52c26d0d-45f2-47a2-ab30-ed06abc981ff",
            "segmentNs": "ups",
            "status": ["realized"],
            "batchId": "da5cfb4de32c4b93a09f7e37fa53ad52",
        },
    },
    "fields": "identities.id,personalEmail.address",
    "schema": {"name": "_xdm.context.profile"},
    "imsOrgId": "1BD6382559DF0C130A49422D@AdobeOrg",
    "status": "SUCCEEDED",
    "filter": {
        "segments": [
            {"segmentId": "52c26d0d-45f2-47a2-ab30-ed06abc981ff", "segmentNs": "ups", "status": ["realized"]}
        ],
        "segmentQualificationTime": {"startTime": "2018-01-01T00:00:00Z", "endTime": "2018-02-01T00:00:00Z"},
        "fromIngestTimestamp": "2018-01-01T00:00:00Z",
        "emptyProfiles": True,
    },
    "additionalFields": {
        "eventList": {"fields": "string", "filter": {"fromIngestTimestamp": "2018-01-01T00:00:00Z"}}
    },
    "mergePolicy": {"id": "timestampOrdered-none-mp", "version": 1},
    "profileInstanceId": "ups",
    "errors": [
        {
            "code": "0100000003",
            "msg": "Error in Export Job",
            "callStack": "com.adobe.aep.unifiedprofile.common.logging.Logger",
        }
    ],
    "metrics": {
        "totalTime": {"startTimeInMs": 123456789000, "endTimeInMs": 123456799000, "totalTimeInMs": 10000},
        "profileExportTime": {
            "startTimeInMs": 123456789000,
            "endTimeInMs": 123456799000,
            "totalTimeInMs": 10000,
        },
        "aCPDatasetWriteTime": {
            "startTimeInMs": 123456789000,
            "endTimeInMs": 123456799000,
            "totalTimeInMs": 10000,
        },
    },
    "computeGatewayJobId": {
        "exportJob": "f3058161-7349-4ca9-807d-212cee2c2e94",
        "pushJob": "feaeca05-d137-4605-aa4e-21d19d801fc6",
    },
    "creationTime": 1538615973895,
    "updateTime": 1538616233239,
    "requestId": "d995479c-8a08-4240-903b-af469c67be1f",
}

PAGE: dict[str, Any] = {
    "records": [JOB],
    "page": {"sortField": "createdTime", "sort": "desc", "pageOffset": "1540974701302_96", "pageSize": 10},
    "link": {"next": "string"},
}

CANCELLED: dict[str, Any] = {"status": True, "message": "Export job has been marked for cancelling"}
