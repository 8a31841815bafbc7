import unittest

from perstack import HostError, Input, delegates, expert, model, testing, tools, user
from perstack.model import Instruction, Reply, ToolResults, User
from perstack.tools import ToolCall


@expert
def greeter(input: Input) -> str:
    name = user.ask("askName", {"query": input.query})
    user.say(f"Hello, {name}!")
    results = tools.call_all([ToolCall("visits", {"name": name}), ToolCall("other")])
    return "; ".join(f"{result.is_error} {result.text}" for result in results)


class Experts(unittest.TestCase):
    def test_ask_say_and_call(self) -> None:
        def answer(name: str, arguments: dict[str, str]) -> str:
            if name != "visits":
                raise ValueError(f"no tool `{name}`")
            return f"{arguments['name']} was here"

        with testing.host(answers=["Ada"], on_tool_call=answer) as host:
            self.assertEqual(greeter("hi"), "False Ada was here; True no tool `other`")
            self.assertEqual((host.asked, host.said), ([("askName", {"query": "hi"})], ["Hello, Ada!"]))
            with self.assertRaisesRegex(AssertionError, "set `answers`"):
                greeter("hi")
            host.answers = [HostError("not-coordinator", "no")]
            with self.assertRaisesRegex(HostError, "no"):
                greeter("hi")

    def test_talk_to_the_model(self) -> None:
        messages = [Instruction("Be brief."), User("Hi")]
        with testing.host() as host:
            with self.assertRaises(HostError) as raised:
                model.generate(messages)
            self.assertEqual(raised.exception.code, "no-model")
            host.on_generate = lambda messages, names, schema: Reply(str(schema), [ToolCall(names[0])])
            made = model.generate(messages, ["look"], str)
            self.assertEqual((made.reply.text, made.stop_reason), ('{"type":"string"}', "tool-calls"))
            host.on_tool_call = lambda name, arguments: "seen"
            model.generate([*messages, made.reply, ToolResults(tools.call_all(made.reply.tool_calls))], ["look"])

    def test_delegate(self) -> None:
        with testing.host(on_delegation=lambda key, query: f"{key}: {query}"):
            answers = delegates.run([delegates.Delegation("a", "q")])
        self.assertEqual(answers, [delegates.Answer("a: q")])
