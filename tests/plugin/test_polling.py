"""One question for all who want to know."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from airflow_provider_twexport.exceptions import ThrottledError
from airflow_provider_twexport.plugin.polling import Poll, look_at_all

FOREVER = 1e9


class Question:
    """Counts how often it is asked; waits to be let go, and fails as it is told."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self) -> int:
        """Answer how often it was asked."""
        self.asked += 1
        self.may_answer.wait()
        if self.error:
            raise self.error
        return self.asked


def test_many_who_look_at_once_ask_once() -> None:
    """All get the one answer."""
    question = Question()
    poll = Poll(question, FOREVER)
    with ThreadPoolExecutor(20) as visitors:
        looks = list(visitors.map(lambda _: poll.look(first=60), range(100)))
    assert {look.value for look in looks} == {1}
    assert question.asked == 1


def test_a_question_that_hangs_holds_nobody() -> None:
    """There is no answer yet, and later the last one."""
    question = Question()
    question.may_answer.clear()
    poll = Poll(question, 0)
    assert poll.look(first=0.01).value is None
    question.may_answer.set()
    assert poll.look(first=60).value == 1
    question.may_answer.clear()
    assert poll.look(fresh=0.01).value == 1
    question.may_answer.set()


def test_many_that_hang_hold_nobody_longer_than_one() -> None:
    """All are asked at once; what has an answer is told, the rest is not waited for again."""
    hanging, quick = [Question() for _ in range(20)], Question()
    for question in hanging:
        question.may_answer.clear()
    looks = look_at_all([Poll(it, FOREVER) for it in (*hanging, quick)], first=0.5)
    assert [look.value for look in looks] == [None] * 20 + [1]
    assert {question.asked for question in hanging} == {1}
    for question in hanging:
        question.may_answer.set()


def test_a_failure_keeps_the_last_answer_and_tells_why() -> None:
    """Until there is a new one; what an unforeseen error says is for the log alone."""
    question = Question()
    poll = Poll(question, FOREVER)
    first = poll.look(first=60)
    assert (first.value, first.problem) == (1, None)
    for error, told in ((ThrottledError("wait"), "wait"), (ValueError("secret"), "ValueError")):
        question.error = error
        poll.forget()
        look = poll.look(fresh=60)
        assert look.value == 1
        assert told in (look.problem or "")
        assert "secret" not in (look.problem or "")
    question.error = None
    poll.forget()
    assert (poll.look(fresh=60).value, poll.look().problem) == (4, None)


def test_what_must_be_true_now_is_asked_now() -> None:
    """And known to all."""
    question = Question()
    poll = Poll(question, FOREVER)
    assert poll.look(first=60).value == 1
    assert poll.renew() == 2
    assert poll.look().value == 2


def test_a_long_first_answer_does_not_put_off_the_second() -> None:
    """It was made of modules to load and of waiting for others; what takes long later is asked less often."""
    seconds = [0.2, 0.2, 0.0]

    def ask() -> int:
        time.sleep(seconds.pop(0))
        return len(seconds)

    poll = Poll(ask, 0)
    assert poll.look(first=60).value == 2
    assert poll.look(fresh=60).value == 1
    assert poll.look(fresh=60).value == 1
