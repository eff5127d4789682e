"""What we propose."""

from pydicom import uid

from isthmus.common.dimse.contexts import (
    COMPRESSED,
    GET,
    MAX_CONTEXTS,
    RARE,
    UNCOMPRESSED,
    Context,
    classes_of,
    for_get,
    for_store,
    has_pixels,
)


def test_compressed_syntaxes_are_not_offered_for_classes_without_pixels() -> None:
    (group,) = for_get([uid.BasicTextSRStorage])
    assert [context.transfer_syntaxes for context in group[1:]] == [(name,) for name in UNCOMPRESSED]


def test_a_class_that_nobody_knows_may_have_pixels() -> None:
    assert has_pixels("1.2.3.4.5")
    assert has_pixels(uid.CTImageStorage)
    assert has_pixels(uid.RTDoseStorage)
    assert not has_pixels(uid.RTPlanStorage)
    assert not has_pixels(uid.SurfaceSegmentationStorage)
    assert not has_pixels(uid.ColorPaletteStorage)


def test_nine_classes_with_pixels_and_the_model_fit_one_association() -> None:
    (group,) = for_get([f"1.2.{number}" for number in range(9)])
    assert len(group) == 118


def test_more_classes_take_more_associations_each_with_the_model() -> None:
    groups = for_get([f"1.2.{number}" for number in range(20)])
    assert [len(group) for group in groups] == [118, 118, 27]
    assert all(group[0] == GET and len(group) <= MAX_CONTEXTS for group in groups)


def test_a_class_has_a_context_for_each_syntax_uncompressed_first_in_the_scp_role() -> None:
    (group,) = for_get([uid.CTImageStorage, uid.CTImageStorage])
    assert group[1:] == tuple(
        Context(uid.CTImageStorage, (name,), as_scp=True) for name in (*UNCOMPRESSED, *COMPRESSED)
    )


def test_rare_syntaxes_are_offered_when_asked_for() -> None:
    (group,) = for_get([uid.CTImageStorage, uid.BasicTextSRStorage], RARE)
    assert len(group) == 1 + len(RARE)


def test_no_class_needs_no_association() -> None:
    assert for_get([]) == []
    assert for_store([]) == []


def test_storing_proposes_each_pair_once() -> None:
    pair = (uid.CTImageStorage, uid.JPEG2000)
    assert for_store([pair, pair]) == [(Context(uid.CTImageStorage, (uid.JPEG2000,)),)]


def test_storing_many_pairs_takes_more_associations() -> None:
    groups = for_store((f"1.2.{number}", uid.JPEG2000) for number in range(300))
    assert [len(group) for group in groups] == [128, 128, 44]


def test_the_modalities_tell_the_classes_and_a_secondary_capture_may_be_anywhere() -> None:
    assert classes_of(["CT", "XX"]) == (
        uid.CTImageStorage,
        uid.EnhancedCTImageStorage,
        uid.SecondaryCaptureImageStorage,
    )
