"""Collectors and their results: offsets, blocks, waiting, expiry, and the shapes of documents."""

from __future__ import annotations

import itertools
import json
import re
import time

from tests.simulator.conftest import Api, document_of, is_result, lines, live_lines, offset_of, shape_of


def test_empty_collector(api: Api) -> None:
    """A collector without a query is PAUSED, and a read of it is one control that repeats `earliest`."""
    api.collector()
    answer = api.call("GET", "/api/v3/stream/c/box").json()["result_stream"]["collectors"][0]
    assert (answer["state"], answer["collector_query"]) == ("PAUSED", {})
    assert shape_of(api.read().content) == ["earliest"]


def test_states(api: Api) -> None:
    """A collector with a query is ACTIVE until paused; a deleted one is gone."""
    body = {"collector_query": {"queries": [{"id": "q", "query": "cats"}]}}
    path = "/api/v3/stream/c/box"
    calls = [("PUT", path), ("POST", f"{path}/pause"), ("POST", f"{path}/resume"), ("DELETE", path)]
    states = [api.call(*call, json=body).json()["result_stream"]["collectors"][0]["state"] for call in calls]
    assert states == ["ACTIVE", "PAUSED", "ACTIVE", "DELETED"]
    assert api.call("GET", path).status_code == 404


def test_put_again_keeps_results_and_delete_drops_them(api: Api) -> None:
    """Replacing a collector keeps its log; deleting it does not."""
    api.export(limit=50)
    api.collector()
    assert len(api.drain()) == 50
    api.call("DELETE", "/api/v3/stream/c/box")
    api.collector()
    assert api.drain() == []
    info = api.call("GET", "/api/v3/stream/info").json()["result_stream"]
    assert info["collectors"] == [{"collector_id": "box", "state": "PAUSED"}]


def test_one_stop_read_brings_four_blocks(api: Api) -> None:
    """A stop read starts with the requested offset and ends after four blocks, though there is more."""
    api.export(limit=1000)
    answer = api.read()
    shape = shape_of(answer.content)
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["transfer-encoding"] == "chunked"
    assert shape[0] == "earliest"
    assert [part for part in shape if isinstance(part, int)][1:] == [100, 100, 100]
    assert isinstance(shape[1], int)
    assert shape[1] <= 100
    assert isinstance(shape[-1], str)
    assert len(shape) == 9


def test_stop_reads_drain_without_gap_or_overlap(api: Api) -> None:
    """Following the offsets brings each result once, and the drained read repeats its offset."""
    api.export(limit=1234)
    results = api.drain()
    assert len(results) == len(set(results)) == 1234
    end = shape_of(api.read("latest").content)
    assert len(end) == 1
    assert shape_of(api.read(str(end[0])).content) == end


def test_reading_again_is_free(api: Api) -> None:
    """Two reads of a collector bring the same bytes and cost nothing more."""
    api.export(limit=300)
    assert api.drain() == api.drain()
    assert api.simulator.ledger()["credits"]["charged_total"] == 300


def test_wait_goes_on(api: Api) -> None:
    """A wait read sends everything, then blank lines, then what is exported later; unfinished blocks get no control."""
    api.simulator.settings(keepalive_seconds=0.2)
    api.export(limit=1000)
    with api.read(end="wait", stream=True) as answer:
        stream = live_lines(answer)
        first = list(itertools.takewhile(bool, stream))
        assert sum(map(is_result, first)) == 1000
        assert is_result(first[-1])
        api.export(limit=200)
        later = list(itertools.islice(filter(None, stream), 201))
    assert sum(map(is_result, later)) >= 198


def test_wait_is_the_default(api: Api) -> None:
    """A read that forgets `end_behaviour` stays open."""
    api.simulator.settings(keepalive_seconds=0.1)
    api.collector()
    with api.call("GET", "/api/v3/stream/c/box/results", stream=True) as answer:
        got = answer.iter_content(1)
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
    """A token that is none is refused, or (a switch) read from the start, which the first control shows."""
    api.export(limit=5)
    assert api.read("EgEB").json()["status_code"] == "5"
    assert api.read("no token!").json()["status_code"] == "5"
    api.simulator.settings(bad_offset="restart")
    assert shape_of(api.read("EgEB").content)[:2] == ["earliest", 5]


def test_rate_limit_by_simulated_clock(api: Api) -> None:
    """The sixth read of results within a minute is refused with 401 and code 8; a minute later it works."""
    api.simulator.settings(reads_per_minute=5, speed=0)
    api.collector()
    assert [api.read().status_code for _ in range(6)] == [200] * 5 + [401]
    assert api.read().json()["status_code"] == "8"
    api.simulator.advance(60)
    assert api.read().ok


def test_results_vanish_after_seven_days(api: Api) -> None:
    """After seven days the collector is still there, its results are not."""
    api.export(limit=150)
    token = offset_of(lines(api.read().content)[-1])
    api.simulator.advance(6.9 * 86_400)
    assert len(api.drain()) == 150
    api.simulator.advance(0.2 * 86_400)
    assert shape_of(api.read().content) == ["earliest"]
    assert shape_of(api.read(token).content) == [token]
    assert api.call("GET", "/api/v3/stream/c/box").ok


def test_documents_are_as_varied_as_real_ones(api: Api) -> None:
    """Fields are missing, scalars replace lists, ids pass 2^53, text holds other line ends, raw."""
    api.simulator.settings(blocks_per_stop=None)
    api.export()
    body = api.read().content
    results = [line for line in lines(body) if is_result(line)]
    documents = [document_of(line) for line in results]
    tweets = [each for each in documents if each.get("external_provider") == "twitter"]
    always = {"indexed", "search_indexed", "lang", "sentiment", "source_type", "post_type", "fluency_level"}
    assert all(always <= each.keys() for each in documents)
    assert not any({"url", "title", "content", "published"} & each.keys() for each in tweets)
    assert all(int(each["external_id"]) > 2**53 for each in tweets)
    assert {type(each["source_type"]) for each in documents} == {list, str}
    assert {type(each["sentiment"]) for each in documents} == {int, float}
    assert {0, -1} <= {each.get("published") for each in documents}
    assert all(mark.encode() in body for mark in ("\u2028", "\u2029", "\u0085", "🏦", "銀行"))
    assert b'"project_profiles":[{"id":"md0' in body
    assert 2500 < len(body) / len(results) < 5000
    assert max(map(len, results)) > 20_000
    assert not re.search(rb"@[a-z_]+@|%\(", body)


def test_tweets_tell_their_time(api: Api) -> None:
    """The id of an X result holds its moment, a little before it was indexed."""
    api.export(limit=300)
    tweets = [each for each in map(document_of, api.drain()) if "external_id" in each]
    ages = [each["indexed"] - ((int(each["external_id"]) >> 22) + 1_288_834_974_657) for each in tweets]
    assert tweets
    assert all(0 < age <= 60_000 for age in ages)


def test_streaming_is_fast(api: Api) -> None:
    """Twenty thousand results arrive within a few seconds."""
    api.simulator.settings(results_per_day=1500, blocks_per_stop=None)
    api.export(limit=20_000)
    began = time.monotonic()
    assert api.read().content.count(b'"CT_RESULT"') == 20_000
    assert time.monotonic() - began < 4
