from __future__ import annotations

from adapters.gb28181.protocol.catalog import CatalogCollector, CatalogResult, channels_of, merged
from adapters.gb28181.protocol.manscdp import CatalogItem, CatalogPage, Head

DEVICE = "34020000001180000001"
HEAD = Head("Response", "Catalog", 17, DEVICE)


def cam(number: int, **more: object) -> CatalogItem:
    return CatalogItem(f"3402000000132{number:07d}", f"cam {number}", **more)  # type: ignore[arg-type]


def page(total: int, *items: CatalogItem) -> CatalogPage:
    return CatalogPage(HEAD, total, items)


def collector(limit: int = 4096) -> CatalogCollector:
    return CatalogCollector(started=100.0, quiet_s=5.0, max_items=limit)


def test_pages_are_put_together() -> None:
    c = collector()
    assert not c.page(page(3, cam(1)), 101)
    assert not c.page(page(3, cam(2)), 102)
    assert c.page(page(3, cam(3)), 103)
    assert c.result() == CatalogResult((cam(1), cam(2), cam(3)), 3, True, 3)


def test_the_same_page_twice_counts_once() -> None:
    c = collector()
    c.page(page(2, cam(1)), 101)
    assert not c.page(page(2, cam(1)), 102)
    assert not c.result().complete
    assert c.page(page(2, cam(2)), 103)


def test_an_empty_catalogue_is_whole() -> None:
    c = collector()
    assert c.page(page(0), 101) and c.result().complete


def test_a_lost_page_ends_by_quiet_time_and_is_incomplete() -> None:
    c = collector()
    assert c.deadline == 110.0, "the first page may take twice the quiet time"
    c.page(page(3, cam(2)), 101)
    assert c.deadline == 106.0
    c.page(page(3, cam(3)), 104)
    assert c.deadline == 109.0
    assert not c.result().complete


def test_a_sum_missing_never_completes_by_count() -> None:
    c = collector()
    assert not c.page(page(-1, cam(1)), 101)
    assert not c.result().complete


def test_channels_over_the_limit_are_counted_not_kept() -> None:
    c = collector(limit=2)
    c.page(page(3, cam(1), cam(2), cam(3)), 101)
    assert c.result().left_out == 1 and len(c.result().items) == 2 and c.full


def test_two_halves_make_a_whole() -> None:
    first = CatalogResult((cam(1), cam(2)), 3, False, 2)
    second = CatalogResult((cam(2), cam(3)), 3, False, 2)
    both = merged(first, second)
    assert both.complete and len(both.items) == 3


def test_a_sum_that_lies_twice_the_same_way_is_believed_no_more() -> None:
    once = CatalogResult((cam(1), cam(2)), 9, False, 1)
    assert merged(once, once).complete
    assert not merged(CatalogResult((), 0, False, 0), CatalogResult((), 0, False, 0)).complete


def test_only_what_can_be_watched_becomes_a_channel() -> None:
    items = [
        CatalogItem("34020000", "county"),
        CatalogItem(DEVICE, "the recorder itself"),
        CatalogItem("34020000002150000001", "group"),
        CatalogItem("34020000001340000001", "alarm in", parents=(DEVICE,)),
        cam(1, parents=(DEVICE,), ptz_type=1, longitude=104.1, latitude=30.6),
        cam(2, parents=(DEVICE,), ptz_type=3, online=False),
        CatalogItem("34020000001370000001", "speaker", parents=(cam(1).device_id,)),
    ]
    first, second = channels_of(DEVICE, items)
    assert (first.external_id, first.name, first.parent) == (cam(1).device_id, "cam 1", DEVICE)
    assert first.capabilities.ptz and first.capabilities.talk_back and first.capabilities.position
    assert not second.capabilities.ptz and not second.online and not second.capabilities.talk_back


def test_a_camera_without_catalogue_is_its_own_channel() -> None:
    ball = "34020000001320000009"
    (own,) = channels_of(ball, [])
    assert own.external_id == ball and own.capabilities.ptz
    (listed,) = channels_of(ball, [CatalogItem(ball, "ball")])
    assert listed.name == "ball"
    assert channels_of("34020000002000000002", []) == []
