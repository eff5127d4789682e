"""The query parameters of rendered resources (PS3.18 8.3.5)."""

import pytest
from starlette.requests import Request

from isthmus.common.errors import InvalidParameter
from isthmus.wado.parameters.rendering_parameters import (
    THUMBNAIL,
    RenderingParameters,
    query_of,
    rendering_parameters,
    thumbnail_parameters,
)
from isthmus.wado.pictures.rendering import (
    Annotation,
    IccProfile,
    MediaType,
    Region,
    RenderRequest,
    Viewport,
    Window,
    WindowFunction,
)


def look(**query: str) -> RenderRequest:
    return rendering_parameters(query).look


def request(query: str) -> Request:
    return Request({"type": "http", "method": "GET", "headers": [], "query_string": query.encode()})


def test_nothing_asked_for_is_how_a_picture_looks_that_is_kept() -> None:
    assert rendering_parameters({}) == RenderingParameters(RenderRequest())
    assert rendering_parameters({}).keep
    assert not rendering_parameters({"quality": "50"}).keep


def test_unknown_parameters_are_ignored() -> None:
    assert look(foo="1", sharpen="yes") == RenderRequest()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("40,400,linear", Window(40, 400, WindowFunction.LINEAR)),
        ("-1.5,1,linear", Window(-1.5, 1, WindowFunction.LINEAR)),
        (" 40, 0.5,linear-exact", Window(40, 0.5, WindowFunction.LINEAR_EXACT)),
        ("1e3,.5,sigmoid", Window(1000, 0.5, WindowFunction.SIGMOID)),
    ],
)
def test_8_3_5_1_4_a_window_is_center_width_and_function(text: str, expected: Window) -> None:
    assert look(window=text).window == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "40", "40,400", "40,400,", "40,400,linear,1", "40,400,LINEAR", "40,400,linear_exact"),
        *("a,400,linear", "40,b,linear", ",400,linear", "40,,linear", "nan,400,linear", "40,inf,linear"),
        *(
            "40,0,linear",
            "40,0.5,linear",
            "40,-1,linear",
            "40,0,linear-exact",
            "40,-1,sigmoid",
            "40,0,sigmoid",
        ),
        *("1e999,400,linear", "40,1e999,linear", "0x10,400,linear", "٤,400,linear", "1_0,400,linear"),
        f"{'1' * 100},400,linear",
    ],
)
def test_8_3_5_1_4_a_window_without_all_three_valid_values_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        look(window=text)
    assert caught.value.parameter == "window"


@pytest.mark.parametrize(
    ("text", "viewport", "region"),
    [
        ("512,256", Viewport(512, 256), None),
        ("16384,16384", Viewport(16384, 16384), None),
        ("512,512,,,,", Viewport(512, 512), None),
        ("512,512,,,100,50", Viewport(512, 512), Region(0, 0, 100, 50)),
        ("512,512,10.5,-20,,", Viewport(512, 512), Region(10.5, 20)),
        ("512,512,0,0,-100,-50", Viewport(512, 512), Region(0, 0, -100, -50)),
        ("512,512,10", Viewport(512, 512), Region(10, 0)),
        ("512,512,10,20", Viewport(512, 512), Region(10, 20)),
        ("512,512,,,100", Viewport(512, 512), Region(0, 0, 100)),
    ],
)
def test_8_3_5_1_3_a_viewport_is_a_size_and_perhaps_a_region(
    text: str, viewport: Viewport, region: Region | None
) -> None:
    found = look(viewport=text)
    assert (found.viewport, found.region) == (viewport, region)


@pytest.mark.parametrize(
    "text",
    [
        *("", "512", "512,", ",512", "512,512,1,1,1,1,1"),
        *("0,512", "512,0", "-1,512", "16385,512", "512,16385", "a,b", "1.5,512", "1e3,512", "99999999999,1"),
        *("512,512,a,,,", "512,512,,nan,,", "512,512,,,0,", "512,512,,,,0", "512,512,,,inf,"),
    ],
)
def test_8_3_5_1_3_a_viewport_that_is_ill_formed_or_too_large_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        look(viewport=text)
    assert caught.value.parameter == "viewport"


@pytest.mark.parametrize("text", ["UTF-8", "utf-8;q=0.5,iso-8859-1", "iso-8859-1, UTF-8", '"ISO_IR 192"'])
def test_8_3_3_2_texts_are_in_utf_8_which_the_client_may_say(text: str) -> None:
    assert look(charset=text) == RenderRequest()


@pytest.mark.parametrize("text", ["", "iso-8859-1", "nonsense", "*", "utf-8;q=0", "utf-8;q=0.00", "utf-88"])
def test_8_3_3_2_another_character_set_is_refused_by_name(text: str) -> None:
    for read in (rendering_parameters, thumbnail_parameters):
        with pytest.raises(InvalidParameter) as caught:
            read({"charset": text})
        assert caught.value.parameter == "charset"


@pytest.mark.parametrize(("text", "quality"), [("1", 1), ("100", 100), ("075", 75)])
def test_8_3_5_1_2_quality_is_an_integer_from_1_to_100(text: str, quality: int) -> None:
    assert look(quality=text).quality == quality


@pytest.mark.parametrize("text", ["", "0", "101", "-1", "1.5", "high", "1e1", "²"])
def test_8_3_5_1_2_any_other_quality_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        look(quality=text)
    assert caught.value.parameter == "quality"


def test_8_3_5_1_1_annotations_are_a_list_of_keywords() -> None:
    both = frozenset({Annotation.PATIENT, Annotation.TECHNIQUE})
    assert look(annotation="patient, technique").annotations == both


def test_8_3_5_1_1_annotations_that_are_not_supported_are_ignored_with_a_warning() -> None:
    found = rendering_parameters({"annotation": "patient,weather"})
    assert found.look.annotations == {Annotation.PATIENT}
    assert found.warnings == ("The following annotation values are not supported: weather",)


@pytest.mark.parametrize(
    "text", ["", ",", "patient,", "a b", "<script>", ",".join(f"k{n}" for n in range(17))]
)
def test_8_3_5_1_1_what_is_no_list_of_keywords_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        look(annotation=text)
    assert caught.value.parameter == "annotation"


@pytest.mark.parametrize("profile", IccProfile)
def test_8_3_5_1_5_a_colour_profile_is_named(profile: IccProfile) -> None:
    assert look(iccprofile=profile.value).icc_profile is profile


@pytest.mark.parametrize("text", ["", "SRGB", "cmyk", "no,yes"])
def test_8_3_5_1_5_another_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        look(iccprofile=text)
    assert caught.value.parameter == "iccprofile"


def test_8_3_5_1_5_a_media_type_that_holds_no_profile_takes_only_no() -> None:
    rendering_parameters({"iccprofile": "no"}).check(MediaType.GIF)
    rendering_parameters({"iccprofile": "srgb"}).check(MediaType.PNG)
    with pytest.raises(InvalidParameter) as caught:
        rendering_parameters({"iccprofile": "srgb"}).check(MediaType.GIF)
    assert caught.value.parameter == "iccprofile"


def test_8_3_5_2_a_thumbnail_takes_two_numbers_and_ignores_all_else() -> None:
    assert thumbnail_parameters({}).look == RenderRequest(viewport=THUMBNAIL)
    assert thumbnail_parameters({}).keep
    others = {"viewport": "64,32", "annotation": "patient", "window": "nonsense", "quality": "1000"}
    assert thumbnail_parameters(others).look == RenderRequest(viewport=Viewport(64, 32))
    with pytest.raises(InvalidParameter):
        thumbnail_parameters({"viewport": "64,64,0,0,10,10"})


def test_a_parameter_that_is_there_twice_is_refused_by_name() -> None:
    assert query_of(request("quality=1&window=1,2,linear")) == {"quality": "1", "window": "1,2,linear"}
    query_of(request("accept=image/png&accept=image/jpeg"))
    with pytest.raises(InvalidParameter) as caught:
        query_of(request("quality=1&viewport=1,1&quality=1"))
    assert caught.value.parameter == "quality"
