"""What the processes of one service know of each other."""

from multiprocessing import get_context

from app.core.board import WorkerBoard


def test_tells_whether_all_serve() -> None:
    board = WorkerBoard(2)
    seen: list[bool] = []
    for change, slot in ((board.beat, 0), (board.beat, 1), (board.clear, 0)):
        change(slot)
        seen.append(board.all_serving)
    assert seen == [False, True, False]


def test_tells_who_has_given_no_sign_of_life() -> None:
    board = WorkerBoard(1)
    assert not board.is_stalled(0, limit_s=0)
    board.beat(0)
    assert not board.is_stalled(0, limit_s=60)
    assert board.is_stalled(0, limit_s=-1)


def test_is_the_same_in_every_process() -> None:
    board = WorkerBoard(1)
    process = get_context("spawn").Process(target=board.beat, args=(0,))
    process.start()
    process.join()
    assert board.all_serving
