import enum
import json
import unittest
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from perstack import Arg, HostError, Output, Skill, ToolError, context, env, http, progress, schema, state, testing
from perstack.call import Context

echoing = Skill()


class Kind(enum.Enum):
    A = "a"
    B = "b"


@dataclass
class Place:
    name: str
    here: bool = False


@dataclass
class Echo:
    text: str
    count: int
    ratio: float | None
    kind: Kind | None
    places: list[Place]
    extra: dict[str, Any] = field(default_factory=dict)


@echoing.tool
def echo(
    text: Annotated[str, Arg("Some text", min=1, max=3)],
    count: Annotated[int, Arg(min=1, max=14)] = 3,
    ratio: float | None = None,
    kind: Kind | None = None,
    places: Annotated[list[Place], Arg(max=2)] = [],
    extra: dict[str, Any] = {},
) -> Echo:
    """Echoes."""
    return Echo(text, count, ratio, kind, places, extra)


def call(skill: Skill, name: str, arguments: Any = None) -> Output:
    return skill.call(name, arguments if isinstance(arguments, str) else json.dumps(arguments or {}))


def text(output: Output) -> str:
    return output.content[0].value


class Schemas(unittest.TestCase):
    def test_a_schema_says_what_the_checks_check(self) -> None:
        expected = {
            "type": "object",
            "properties": {
                "text": {"description": "Some text", "type": "string", "minLength": 1, "maxLength": 3},
                "count": {"type": "integer", "minimum": 1, "maximum": 14, "default": 3},
                "ratio": {"type": ["number", "null"]},
                "kind": {"type": ["string", "null"], "enum": ["a", "b", None]},
                "places": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "here": {"type": "boolean", "default": False}},
                        "required": ["name"],
                        "additionalProperties": False,
                    },
                    "maxItems": 2,
                    "default": [],
                },
                "extra": {"type": "object", "additionalProperties": {}, "default": {}},
            },
            "required": ["text"],
            "additionalProperties": False,
        }
        tool = echoing.tools["echo"]
        self.assertEqual(json.loads(tool.input_schema), expected)
        self.assertEqual(json.loads(tool.output_schema or "")["required"], ["text", "count", "ratio", "kind", "places"])
        self.assertEqual(tool.description, "Echoes.")

    def test_hints_that_say_nothing_are_refused(self) -> None:
        @dataclass
        class Endless:
            more: "list[Endless]"

        globals()["Endless"] = Endless
        for hint, reason in [
            (bytes, "has no JSON Schema"),
            (int | str, "one of several types"),
            (dict[int, str], "the keys of"),
            (Literal[1, 2], "are texts"),
            (Endless, "contains itself"),
            (Annotated[bool, Arg(min=1)], "`min` and `max` apply"),
        ]:
            with self.assertRaisesRegex(TypeError, reason):
                schema.of(hint)


class Arguments(unittest.TestCase):
    def test_come_checked_with_defaults(self) -> None:
        answer = call(echoing, "echo", {"text": "äöü", "places": [{"name": "x"}], "kind": "b", "count": None})
        self.assertEqual(
            json.loads(answer.structured or ""),
            {"text": "äöü", "count": 3, "ratio": None, "kind": "b", "places": [{"name": "x", "here": False}], "extra": {}},
        )

    def test_a_default_is_not_shared_by_calls(self) -> None:
        skill = Skill()

        @skill.tool
        def append(items: list[str] = []) -> str:
            """Appends."""
            items.append("x")
            return str(len(items))

        self.assertEqual([text(call(skill, "append")) for _ in range(2)], ["1", "1"])

    def test_what_does_not_fit_is_told_by_field_and_reason(self) -> None:
        for arguments, reason in [
            ("{", "the arguments are not JSON: "),
            ("[" * 100_000, "the arguments are not JSON: it is nested too deep"),
            ('{"text":NaN}', "the arguments are not JSON: `NaN` is no JSON"),
            ("[]", "the object of arguments must be an object, not an array"),
            ({}, "the argument `text` is missing"),
            ({"text": "a", "x": 1}, "the object of arguments has no `x`: there are `text`, `count`, "),
            ({"text": 7}, "the argument `text` must be a string, not 7"),
            ({"text": None}, "the argument `text` must be a string, not null"),
            ({"text": ""}, "the argument `text` must have at least 1 character, not 0"),
            ({"text": "abcd"}, "the argument `text` must have at most 3 characters, not 4"),
            ({"text": "a", "count": 1.5}, "the argument `count` must be an integer, not 1.5"),
            ({"text": "a", "count": True}, "the argument `count` must be an integer, not true"),
            ({"text": "a", "count": 15}, "the argument `count` must be at most 14, not 15"),
            ('{"text":"a","ratio":1e400}', "the argument `ratio` must be a number, not one without end"),
            ({"text": "a", "kind": "c"}, 'the argument `kind` must be one of `a`, `b`, not "c"'),
            ({"text": "a", "kind": []}, "the argument `kind` must be one of `a`, `b`, not an array"),
            ({"text": "a", "places": [{"name": "x"}, {"name": 1}]}, "the argument `places[1].name` must be a string, not 1"),
            ({"text": "a", "places": [{}]}, "the argument `places[0].name` is missing"),
            ({"text": "a", "places": [{"name": "x"}] * 3}, "the argument `places` must have at most 2 items, not 3"),
            ({"text": "a", "kind": "x" * 1000}, "the argument `kind` must be one of `a`, `b`, not a string of 1002 char"),
        ]:
            with self.subTest(str(arguments)[:60]), self.assertRaises(ToolError) as raised:
                call(echoing, "echo", arguments)
            self.assertEqual(raised.exception.kind, "invalid-arguments")
            self.assertTrue(str(raised.exception).startswith(reason), str(raised.exception))


class Calls(unittest.TestCase):
    def test_errors_keep_their_kind(self) -> None:
        for error, kind in [
            (ToolError.denied("no"), "denied"),
            (ToolError.invalid_arguments("no"), "invalid-arguments"),
            (ValueError("no"), "failed"),
        ]:
            skill = Skill()

            @skill.tool(name="fail")
            def function() -> None:
                """Fails."""
                raise error

            with self.assertRaises(ToolError) as raised:
                call(skill, "fail")
            self.assertEqual((raised.exception.kind, str(raised.exception)), (kind, "no"))
        with self.assertRaisesRegex(ToolError, "the skill has no tool `other`"):
            call(skill, "other")

    def test_answers_are_text_data_or_parts(self) -> None:
        skill = Skill()
        answers: list[Any] = [None, "x", {"n": [1]}, Output().text("a").image("image/png", b"\x01").data({"n": 1}), b"no"]

        @skill.tool
        def answer():
            """Answers."""
            return answers.pop(0)

        self.assertEqual([text(call(skill, "answer")) for _ in range(3)], ["Done", "x", '{"n":[1]}'])
        parts = call(skill, "answer")
        self.assertEqual(([part.kind for part in parts.content], parts.structured), (["text", "image"], '{"n":1}'))
        with self.assertRaisesRegex(ToolError, "the answer has no JSON form"):
            call(skill, "answer")

    def test_an_answer_fits_its_own_schema(self) -> None:
        skill = Skill()

        @skill.tool
        def wrong() -> Place:
            """Is wrong."""
            return Place(7)  # type: ignore[arg-type]

        with self.assertRaisesRegex(ToolError, "own answer does not fit its type: `name` must be a string, not 7"):
            call(skill, "wrong")

    def test_mistakes_in_declarations_are_told_at_once(self) -> None:
        def silent() -> None: ...

        def untyped(a) -> None:
            """Does."""

        def open_ended(*a: str) -> None:
            """Does."""

        for function, reason in [(silent, "no doc string"), (untyped, "no type hint"), (open_ended, "cannot name")]:
            with self.assertRaisesRegex(TypeError, reason):
                Skill().tool(function)
        with self.assertRaisesRegex(TypeError, "two tools `echo`"):
            echoing.tool(echo)
        with self.assertRaisesRegex(TypeError, "`a b` names no tool"):
            Skill().tool(echo, name="a b")

    def test_what_a_skill_needs_is_written_as_perstack_toml_has_it(self) -> None:
        self.assertIsNone(Skill().needs)
        skill = Skill(network=["https://a.com"], secrets={"KEY": ["a.com"]}, read=["."], write=["out"])
        self.assertEqual(
            skill.needs,
            'network = ["https://a.com"]\nenv = []\n'
            'filesystem = [{ path = ".", access = "read" }, { path = "out", access = "write" }]\n'
            'secrets = { "KEY" = ["a.com"] }\n',
        )


class HostDouble(unittest.TestCase):
    def test_state_works_as_it_is_and_is_checked_when_it_is_read(self) -> None:
        with testing.host() as host:
            self.assertIsNone(state.workspace.get("a"))
            state.workspace.set("a", Place("x"))
            self.assertEqual(state.workspace.get("a", Place), Place("x"))
            self.assertEqual((state.job.get("a"), state.workspace.keys()), (None, ["a"]))
            state.workspace.set("a", {"name": 1})
            for stored in [b'{"name": 1}', b"\xff", b"{"]:
                state.workspace.set_bytes("a", stored)
                with self.assertRaisesRegex(HostError, "the state under `a` does not fit: "):
                    state.workspace.get("a", Place)
            state.workspace.delete("a")
            host.state_limit = 2
            with self.assertRaises(HostError) as raised:
                state.workspace.set("a", "long")
            self.assertEqual(raised.exception.code, "quota-exceeded")

    def test_what_is_not_scripted_says_what_to_set(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "import `perstack.testing`"):
            context()
        with testing.host(variables={"REGION": "eu"}) as host:
            with self.assertRaisesRegex(AssertionError, "set `call_context`"):
                context()
            with self.assertRaisesRegex(AssertionError, "what is at https://a.com/: set `on_request`"):
                http.get("https://a.com/")
            host.call_context = Context("j", "r", "t", "e", "s")
            self.assertEqual((context().job_id, env("REGION"), env("OTHER")), ("j", "eu", None))
            progress("half", 2)
            self.assertEqual(host.progress, [("half", 1.0)])

    def test_redirects_are_followed_without_what_says_who_asks(self) -> None:
        seen: list[http.Request] = []

        def serve(request: http.Request) -> http.Response:
            seen.append(request)
            where = {"https://a.com/": "/b", "https://a.com/b": "https://c.com/"}.get(request.url)
            return http.Response(302, {"location": where}, b"") if where else http.Response(200, {}, b"ok")

        with testing.host(on_request=serve):
            answer = http.request("POST", "https://a.com/", {"Authorization": "x", "Content-Type": "y"}, "body")
            self.assertEqual(answer.text(), "ok")
            self.assertEqual(http.request("GET", "https://a.com/", redirects=0).status, 302)
        self.assertEqual([request.method for request in seen[:3]], ["POST", "GET", "GET"])
        self.assertEqual([dict(request.headers) for request in seen[1:3]], [{"authorization": "x"}, {}])
        with testing.host(on_request=lambda request: http.Response(302, {"location": "/"}, b"")):
            with self.assertRaisesRegex(ToolError, "redirects without end"):
                http.get("https://a.com/")
