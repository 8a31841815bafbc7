//! What a plugin might try.

use extism_pdk::{extism, var, Memory};

/// Numbers that are no block's offset.
const OFFSETS: [u64; 8] = [0, 1, 15, 1 << 16, 1 << 31, 1 << 32, u64::MAX - 7, u64::MAX];

pub(crate) fn case(name: &str, text: &str) -> Option<String> {
    Some(match name {
        "panic" => panic!("{text}"),
        "spin" => spin(),
        "level" => unsafe { extism::get_log_level() }.to_string(),
        "memory" => {
            let mut all = Vec::new();
            loop {
                all.push(std::hint::black_box(vec![1_u8; 1 << 20]));
            }
        }
        "blocks" => {
            // Small ones too: what they take beside their bytes counts.
            let length = text.parse().unwrap();
            let (mut taken, mut first) = (0, Vec::new());
            loop {
                let block = unsafe { extism::alloc(length) };
                if block == 0 {
                    break;
                }
                taken += 1;
                if first.len() < 100 {
                    first.push(block);
                }
            }
            // The answer takes some.
            first.into_iter().for_each(|block| unsafe { extism::free(block) });
            taken.to_string()
        }
        "freed" => {
            for _ in 0..1000 {
                let block = unsafe { extism::alloc(1 << 20) };
                assert_ne!(block, 0);
                unsafe { extism::store_u8(block, 1) };
                unsafe { extism::free(block) };
                assert_eq!(unsafe { extism::load_u8(block) }, 0);
            }
            "all".to_owned()
        }
        "output" => "x".repeat(text.parse().unwrap()),
        "variables" => {
            for number in 0..text.parse::<u32>().unwrap() {
                var::set(format!("{number}"), "x".repeat(1000)).unwrap();
            }
            String::new()
        }
        "offsets" => offsets(),
        "handles" => {
            let given = unsafe { extism::config_get(text.parse().unwrap()) };
            given.to_string()
        }
        "messages" => {
            for _ in 0..100_000 {
                extism_pdk::info!("{}", "x".repeat(100));
            }
            String::new()
        }
        _ => return None,
    })
}

pub(crate) fn spin<T>() -> T {
    loop {
        std::hint::black_box(());
    }
}

/// Reads and writes where nothing is, next to a block and across its end.
fn offsets() -> String {
    let block = Memory::from_bytes([7_u8; 12]).unwrap();
    let start = block.offset();
    let mut found = Vec::new();
    for offset in OFFSETS.into_iter().chain([start - 1, start + 5, start + 12]) {
        unsafe {
            extism::store_u64(offset, u64::MAX);
            extism::free(offset);
            found.push(extism::load_u64(offset) + u64::from(extism::input_load_u8(offset.wrapping_add(1 << 20))));
            found.push(
                extism::length(offset) + extism::length_unsafe(offset) + extism::input_load_u64(offset | 1 << 20),
            );
        }
    }
    assert_eq!(block.to_vec(), [7; 12]);
    assert!(found.iter().all(|read| *read == 0), "{found:?}");
    "nothing".to_owned()
}
