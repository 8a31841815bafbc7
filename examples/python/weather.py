"""Asks a service on the network, with a key that this code never sees."""

from typing import Annotated, Literal
from urllib.parse import urlencode

from perstack import Arg, Skill, ToolError, env, http, progress

skill = Skill(
    network=["https://api.example.com"],
    secrets={"WEATHER_KEY": ["api.example.com"]},
    env=["WEATHER_URL"],
)


@skill.tool(read_only=True, open_world=True)
def forecast(
    city: Annotated[str, Arg("Name of the city", min=1, max=100)],
    days: Annotated[int, Arg("Number of days", min=1, max=14)] = 3,
    unit: Literal["celsius", "fahrenheit"] | None = None,
) -> str:
    """Gives the weather of the next days in a city."""
    base = env("WEATHER_URL") or "https://api.example.com"
    query = urlencode({"city": city, "days": days, "unit": unit or "celsius"})
    progress(f"asking for {city}")
    response = http.get(f"{base}/forecast?{query}", {"x-api-key": env("WEATHER_KEY") or ""})
    if response.status == 404:
        raise ToolError.invalid_arguments(f"there is no city `{city}`")
    if not response.ok:
        raise ToolError(f"the weather service answered {response.status}")
    return "\n".join(response.json()["days"])
