import unittest

from perstack import HostError, ToolError, http, state, testing

import hello
import referee
import scoreboard
import weather


class Examples(unittest.TestCase):
    def test_greets(self) -> None:
        self.assertEqual(hello.greet("Ada"), "Hello, Ada!")
        with self.assertRaisesRegex(ToolError, "the argument `name` is missing"):
            hello.skill.call("greet", "{}")

    def test_keeps_each_game_apart(self) -> None:
        with testing.host():
            scoreboard.record("chess", "user-won")
            scoreboard.record("chess", "draw")
            self.assertEqual(scoreboard.totals("chess"), scoreboard.Totals(drawn=1, user_won=1))
            self.assertEqual(scoreboard.totals("go"), scoreboard.Totals())
            state.workspace.set("score/go", {"expert_won": -1})
            with self.assertRaisesRegex(HostError, "does not fit: `expert_won` must be at least 0, not -1"):
                scoreboard.totals("go")

    def test_asks_for_the_weather(self) -> None:
        def serve(request: http.Request) -> http.Response:
            self.assertEqual(request.headers, {"x-api-key": "placeholder"})
            return http.Response(404, {}, b"") if "Nowhere" in request.url else http.Response(200, {}, b'{"days": ["sun"]}')

        with testing.host(on_request=serve, variables={"WEATHER_KEY": "placeholder"}):
            self.assertEqual(weather.forecast("Rome"), "sun")
            with self.assertRaisesRegex(ToolError, "no city `Nowhere`"):
                weather.forecast("Nowhere")

    def test_asks_for_the_result_and_has_it_recorded(self) -> None:
        with testing.host(answers=["draw"], on_tool_call=lambda name, arguments: f"{name} {arguments}") as host:
            self.assertEqual(
                referee.referee("chess"), "The score is record {'game': 'chess', 'result': 'draw'}."
            )
            self.assertEqual(host.said, ["A game of chess."])
