"""The work on images: in threads of its own, beside the making of the next or in turns with it."""

import threading

import pytest
import torch

from camkit.threads import in_threads
from camkit.worker_threads import worker_threads


@pytest.mark.parametrize("ahead", [True, False])
def test_results_are_in_order_and_jobs_take_turns_with_what_makes_them(ahead):
    """Ahead, the second chunk is made while the first one's jobs wait for it; in turns, they would wait for ever."""
    made, working = threading.Event(), []

    def job(number):
        working.append(number)
        if ahead and number < 3:
            assert made.wait(60)
        working.remove(number)
        return number

    def chunks():
        yield [lambda n=n: job(n) for n in range(3)]
        assert ahead or not working
        made.set()
        yield [lambda n=n: job(n) for n in range(3, 7)]

    assert list(in_threads(chunks(), 2, ahead=ahead)) == list(range(7))


def test_a_worker_thread_starts_no_threads_and_others_keep_theirs():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with worker_threads(4) as pool:
            together = threading.Barrier(4)

            def told():
                together.wait(60)
                return torch.get_num_threads()

            assert [one.result() for one in [pool.submit(told) for _ in range(4)]] == [1] * 4
        assert torch.get_num_threads() == 3
        with worker_threads(1):
            pass
        later = []
        thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert later == [3]
    finally:
        torch.set_num_threads(before)
