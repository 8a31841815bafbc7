// Asks a service on the network, with a key that this code never sees.

import { ToolError, env, progress, skill, t, tool } from "perstack";

const forecast = tool(
  {
    name: "forecast",
    description: "Gives the weather of the next days in a city.",
    readOnly: true,
    openWorld: true,
    input: {
      city: t.string({ description: "Name of the city", min: 1, max: 100 }),
      days: t.integer({ description: "Number of days", min: 1, max: 14, default: 3 }),
      unit: t.optional(t.enum(["celsius", "fahrenheit"])),
    },
  },
  async ({ city, days, unit }) => {
    const base = env("WEATHER_URL") ?? "https://api.example.com";
    const query = new URLSearchParams({ city, days: String(days), unit: unit ?? "celsius" });
    progress(`asking for ${city}`);
    const response = await fetch(`${base}/forecast?${query}`, { headers: { "x-api-key": env("WEATHER_KEY") ?? "" } });
    if (response.status === 404) throw ToolError.invalidArguments(`there is no city \`${city}\``);
    if (!response.ok) throw ToolError.failed(`the weather service answered ${response.status}`);
    const { days: forecasts } = (await response.json()) as { days: string[] };
    return forecasts.join("\n");
  },
);

export default skill({
  network: ["https://api.example.com"],
  secrets: { WEATHER_KEY: ["api.example.com"] },
  env: ["WEATHER_URL"],
  tools: [forecast],
});
