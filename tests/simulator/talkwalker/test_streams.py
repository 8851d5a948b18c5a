"""Collectors and their results: offsets, blocks, waiting, expiry, and the shapes of documents."""

from __future__ import annotations

import itertools
import json
import re

from tests.simulator.conftest import Api, document_of, is_result, lines, live_lines, offset_of, shape_of


def test_empty_collector(api: Api) -> None:
    """A collector without a query is PAUSED, and a read of it is one control that repeats `earliest`."""
    api.collector()
    response = api.call("GET", "/api/v3/stream/c/box").json()["result_stream"]["collectors"][0]
    assert (response["state"], response["collector_query"]) == ("PAUSED", {})
    assert shape_of(api.read().content) == ["earliest"]


def test_states(api: Api) -> None:
    """A collector with a query is ACTIVE until paused; a deleted one is gone."""
    body = {"collector_query": {"queries": [{"id": "q", "query": "cats"}]}}
    path = "/api/v3/stream/c/box"
    calls = [("PUT", path), ("POST", f"{path}/pause"), ("POST", f"{path}/resume"), ("DELETE", path)]
    states = [api.call(*call, json=body).json()["result_stream"]["collectors"][0]["state"] for call in calls]
    assert states == ["ACTIVE", "PAUSED", "ACTIVE", "DELETED"]
    assert api.call("GET", path).status_code == 404


def test_replacing_keeps_results_and_deleting_drops_them(api: Api) -> None:
    """Replacing a collector keeps its log; deleting it does not."""
    api.export(limit=50)
    api.collector()
    assert len(api.read_all()) == 50
    api.call("DELETE", "/api/v3/stream/c/box")
    api.collector()
    assert api.read_all() == []
    info = api.call("GET", "/api/v3/stream/info").json()["result_stream"]
    assert info["collectors"] == [{"collector_id": "box", "state": "PAUSED"}]


def test_one_stop_read_brings_four_blocks(api: Api) -> None:
    """A stop read starts with the requested offset and ends after four blocks, although there are more."""
    api.export(limit=1000)
    response = api.read()
    shape = shape_of(response.content)
    assert response.headers["content-type"].startswith("text/plain")
    assert response.headers["transfer-encoding"] == "chunked"
    assert shape[0] == "earliest"
    assert [part for part in shape if isinstance(part, int)][1:] == [100, 100, 100]
    assert isinstance(shape[1], int)
    assert shape[1] <= 100
    assert isinstance(shape[-1], str)
    assert len(shape) == 9


def test_stop_reads_return_all_results_without_gap_or_overlap(api: Api) -> None:
    """Following the offsets returns each result once, and a read without results repeats its offset."""
    api.export(limit=1234)
    results = api.read_all()
    assert len(results) == len(set(results)) == 1234
    end = shape_of(api.read("latest").content)
    assert len(end) == 1
    assert shape_of(api.read(str(end[0])).content) == end


def test_reading_again_is_free(api: Api) -> None:
    """Two reads of a collector return the same bytes, and the second one costs nothing."""
    api.export(limit=300)
    assert api.read_all() == api.read_all()
    assert api.simulator.ledger()["credits"]["charged_total"] == 300


def test_wait_reads_continue(api: Api) -> None:
    """A wait read sends everything, then blank lines, then what is exported later; unfinished blocks get no control."""
    api.simulator.settings(keepalive_seconds=0.2)
    api.export(limit=1000)
    with api.read(end="wait", stream=True) as response:
        stream = live_lines(response)
        first = list(itertools.takewhile(bool, stream))
        assert sum(map(is_result, first)) == 1000
        assert is_result(first[-1])
        api.export(limit=200)
        later = list(itertools.islice(filter(None, stream), 201))
    assert sum(map(is_result, later)) >= 198


def test_wait_is_the_default(api: Api) -> None:
    """A read without `end_behaviour` stays open."""
    api.simulator.settings(keepalive_seconds=0.1)
    api.collector()
    with api.call("GET", "/api/v3/stream/c/box/results", stream=True) as response:
        got = response.iter_content(1)
        control = b""
        while not control.endswith(b"\n\n"):
            control += next(got)
    assert offset_of(control.strip()) == "earliest"


def test_pretty(api: Api) -> None:
    """With pretty=true the chunks are concatenated, indented JSON."""
    api.export(limit=5)
    text = api.read(params={"pretty": "true"}).content.decode()
    decoder, chunks = json.JSONDecoder(), []
    while text.strip():
        chunk, end = decoder.raw_decode(text.lstrip())
        chunks.append(chunk["chunk_type"])
        text = text.lstrip()[end:]
    assert chunks[0] == chunks[-1] == "CT_CONTROL"
    assert chunks.count("CT_RESULT") == 5


def test_bad_offset(api: Api) -> None:
    """An invalid token is refused, or (a switch) restarts the read, which the first control shows."""
    api.export(limit=5)
    assert api.read("EgEB").json()["status_code"] == "5"
    assert api.read("no token!").json()["status_code"] == "5"
    api.simulator.settings(bad_offset="restart")
    assert shape_of(api.read("EgEB").content)[:2] == ["earliest", 5]


def test_rate_limit_by_simulated_clock(api: Api) -> None:
    """The sixth read of results in a minute is refused with 401 and code 8; a minute later it succeeds."""
    api.simulator.settings(reads_per_minute=5, speed=0)
    api.collector()
    assert [api.read().status_code for _ in range(6)] == [200] * 5 + [401]
    assert api.read().json()["status_code"] == "8"
    api.simulator.advance(60)
    assert api.read().ok


def test_results_expire_after_seven_days(api: Api) -> None:
    """After seven days the collector still exists, its results do not."""
    api.export(limit=150)
    token = offset_of(lines(api.read().content)[-1])
    api.simulator.advance(6.9 * 86_400)
    assert len(api.read_all()) == 150
    api.simulator.advance(0.2 * 86_400)
    assert shape_of(api.read().content) == ["earliest"]
    assert shape_of(api.read(token).content) == [token]
    assert api.call("GET", "/api/v3/stream/c/box").ok


def test_documents_are_as_varied_as_real_ones(api: Api) -> None:
    """Fields are missing, scalars replace lists, ids exceed 2^53, and text has other line ends, unescaped."""
    api.simulator.settings(blocks_per_stop=None)
    api.export()
    body = api.read().content
    results = [line for line in lines(body) if is_result(line)]
    documents = [document_of(line) for line in results]
    tweets = [document for document in documents if document.get("external_provider") == "twitter"]
    always = {"indexed", "search_indexed", "lang", "sentiment", "source_type", "post_type", "fluency_level"}
    assert all(always <= document.keys() for document in documents)
    assert not any({"url", "title", "content", "published"} & document.keys() for document in tweets)
    assert all(int(document["external_id"]) > 2**53 for document in tweets)
    assert {type(document["source_type"]) for document in documents} == {list, str}
    assert {type(document["sentiment"]) for document in documents} == {int, float}
    assert {0, -1} <= {document.get("published") for document in documents}
    assert all(mark.encode() in body for mark in ("\u2028", "\u2029", "\u0085", "🏦", "銀行"))
    assert b'"project_profiles":[{"id":"md0' in body
    assert 2500 < len(body) / len(results) < 5000
    assert max(map(len, results)) > 20_000
    assert not re.search(rb"@[a-z_]+@|%\(", body)


def test_ids_of_x_results_contain_their_time(api: Api) -> None:
    """The id of an X result contains its time, shortly before it was indexed."""
    api.export(limit=300)
    tweets = [document for document in map(document_of, api.read_all()) if "external_id" in document]
    ages = [
        document["indexed"] - ((int(document["external_id"]) >> 22) + 1_288_834_974_657)
        for document in tweets
    ]
    assert tweets
    assert all(0 < age <= 60_000 for age in ages)


def test_one_read_may_return_everything(api: Api) -> None:
    """Without a limit of blocks, one read returns twenty thousand results."""
    api.simulator.settings(results_per_day=1500, blocks_per_stop=None)
    api.export(limit=20_000)
    assert api.read().content.count(b'"CT_RESULT"') == 20_000
