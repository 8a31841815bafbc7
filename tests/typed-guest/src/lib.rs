//! A component of a world of its own, made with nothing of ours.

use std::sync::atomic::{AtomicU32, Ordering};

use bindings::Guest;
use bindings::exports::lab::shapes::troubles::{Counter, CounterBorrow, Guest as Troubles, GuestCounter, Problem};
use bindings::exports::lab::shapes::values::{Colour, Figure, Guest as Values, Rights, Sample};

mod bindings {
    #![allow(unsafe_code, missing_docs, unreachable_pub, reason = "generated")]
    wit_bindgen::generate!({ path: "wit", world: "laboratory", pub_export_macro: true });
}

struct Laboratory;

/// Calls of this instance.
static CALLS: AtomicU32 = AtomicU32::new(0);

impl Guest for Laboratory {
    fn add(a: i32, b: i32) -> i32 {
        a.wrapping_add(b)
    }

    #[expect(clippy::print_stdout, reason = "what becomes of it is the case")]
    fn say(text: String) {
        println!("{text}, call {}", CALLS.fetch_add(1, Ordering::Relaxed) + 1);
    }
}

type Numbers = (u8, i8, u16, i16, u32, i32, u64, i64);
type Nested = Option<Option<Result<u8, String>>>;

impl Values for Laboratory {
    fn describe(mut sample: Sample) -> Sample {
        sample.id = sample.id.wrapping_add(1);
        sample
    }

    fn numbers(a: u8, b: i8, c: u16, d: i16, e: u32, f: i32, g: u64, h: i64) -> Numbers {
        (a, b, c, d, e, f, g, h)
    }

    fn floats(small: f32, large: f64) -> (f32, f64) {
        (small, large)
    }

    fn letters(letter: char) -> (char, String) {
        (letter, letter.to_string())
    }

    fn reverse(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.reverse();
        bytes
    }

    fn headers(headers: Vec<(String, String)>) -> Vec<(String, String)> {
        headers
    }

    fn allow(rights: Rights, colour: Colour) -> Rights {
        match colour {
            Colour::Green => rights | Rights::RUN,
            Colour::Red => Rights::empty(),
        }
    }

    fn nested(value: Nested) -> Nested {
        value
    }

    fn search(text: String) -> Vec<Figure> {
        vec![Figure::Empty, Figure::Circle(text.len() as f32), Figure::Rectangle((1, 2))]
    }
}

struct Count(AtomicU32);

impl GuestCounter for Count {
    fn new(start: u32) -> Self {
        Self(AtomicU32::new(start))
    }

    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn parse(text: String) -> u32 {
        text.parse().unwrap_or_default()
    }
}

impl Troubles for Laboratory {
    type Counter = Count;

    fn search(text: String) -> Result<String, String> {
        if text.is_empty() { Err("nothing to look for".to_owned()) } else { Ok(text) }
    }

    fn find(name: String) -> Result<u32, Problem> {
        match name.as_str() {
            "busy" => Err(Problem::Busy),
            "there" => Ok(7),
            _ => Err(Problem::Missing(name)),
        }
    }

    fn check() -> Result<(), ()> {
        Err(())
    }

    fn open() -> Counter {
        Counter::new(Count::new(1))
    }

    fn watch(counters: Vec<CounterBorrow<'_>>) -> u32 {
        counters.len() as u32
    }

    #[expect(clippy::panic, reason = "this is the case")]
    fn crash(reason: String) {
        panic!("{reason}")
    }

    fn flood(size: u32) -> Vec<u64> {
        vec![u64::MAX; size as usize]
    }

    fn spin() {
        loop {
            std::hint::black_box(());
        }
    }

    fn variable(name: String) -> Option<String> {
        std::env::var(name).ok()
    }
}

mod exported {
    #![allow(unsafe_code, reason = "generated")]
    crate::bindings::export!(Laboratory with_types_in crate::bindings);
    use crate::Laboratory;
}
