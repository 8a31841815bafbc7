//! What the macros make of an author's code, seen as the host sees it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod calls;
mod host;
mod schemas;

/// A skill with one tool of each kind.
#[perstack::skill]
mod weather {
    use std::collections::BTreeMap;

    use perstack::{Output, ToolError};

    /// How a day is.
    #[perstack::data]
    #[derive(Clone, Copy, Debug, PartialEq)]
    #[serde(rename_all = "kebab-case")]
    pub enum Sky {
        ClearBlue,
        /// More cloud than sky.
        Cloudy,
    }

    /// One day.
    #[perstack::data]
    #[derive(Clone, Debug, PartialEq)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    pub struct Day {
        /// Degrees
        /// Celsius.
        pub high_noon: f64,
        pub sky: Sky,
        #[serde(default)]
        pub notes: Vec<String>,
        pub wind: Option<u8>,
        #[serde(skip)]
        pub cached: bool,
    }

    /// Forecast for the
    /// next days.
    ///
    /// Not for the past.
    #[tool(read_only, open_world, title = "Forecast")]
    fn forecast(
        /// A city's name.
        city: String,
        #[arg(default = 3, min = 1, max = 14, description = "How many days")] days: u8,
        near: Option<Sky>,
    ) -> Result<Vec<Day>, String> {
        let day =
            Day { high_noon: 20.5, sky: near.unwrap_or(Sky::Cloudy), notes: vec![city], wind: None, cached: true };
        if days == 13 { Err("no forecast for unlucky numbers".to_owned()) } else { Ok(vec![day; days.into()]) }
    }

    /// Echoes all.
    #[tool(name = "echo-all", idempotent)]
    fn echo(
        #[arg(default = "nobody")] name: String,
        #[arg(default = vec![1.5], max = 2)] list: Vec<f64>,
        #[arg(min = -1, max = 1)] ratio: Option<f64>,
        r#type: char,
        any: perstack::json::Value,
        map: BTreeMap<String, i64>,
        #[arg(default = true)] mut flag: bool,
    ) -> String {
        flag = !flag;
        format!("{name} {list:?} {ratio:?} {type} {any} {map:?} {flag}")
    }

    /// Removes a day.
    #[tool(destructive)]
    fn remove(day: Day) -> Result<(), ToolError> {
        match day.sky {
            Sky::Cloudy => Err(ToolError::Denied("not granted: clouds".to_owned())),
            Sky::ClearBlue => Ok(()),
        }
    }

    /// Draws a chart.
    #[tool]
    fn chart() -> Output {
        Output::text("Chart").with_image("image/png", vec![1]).with_workspace_file("a.csv", "text/csv")
    }

    /// Names a chart.
    #[tool]
    fn entitle(#[arg(name = "chartTitle", max = 5)] title: String) -> String {
        title
    }

    /// Fails in a way of its own.
    #[tool]
    fn odd() -> Result<&'static str, std::num::ParseIntError> {
        "seven".parse::<i32>().map(|_| "a number")
    }

    /// Not a tool.
    pub fn ordinary() -> u8 {
        7
    }
}
