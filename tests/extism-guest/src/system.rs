//! What WASI gives a plugin.

pub(crate) fn case(name: &str, text: &str) -> String {
    match name {
        "environment" => format!("{:?}", std::env::vars().collect::<Vec<_>>()),
        "files" => {
            let read = |path: &str| format!("{:?}", std::fs::read_to_string(path).map_err(|error| error.kind()));
            let listed = std::fs::read_dir(".").map(|entries| entries.count()).map_err(|error| error.kind());
            format!("{} {} {listed:?}", read("/etc/passwd"), read("perstack.toml"))
        }
        "print" => {
            for _ in 0..text.parse().unwrap() {
                println!("{}", "x".repeat(1000));
            }
            String::new()
        }
        "exit" => std::process::exit(text.parse().unwrap()),
        "time" => {
            let began = std::time::Instant::now();
            std::thread::sleep(std::time::Duration::from_millis(text.parse().unwrap()));
            let year =
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 31_556_952;
            format!("{} {}", year >= 54, began.elapsed().as_millis() > 0)
        }
        other => panic!("no case `{other}`"),
    }
}
