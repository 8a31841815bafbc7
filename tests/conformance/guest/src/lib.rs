//! The tools that the conformance suite of MCP expects a server to have, by the names that it calls them.

/// What the suite calls.
#[perstack::skill]
mod conformance {
    use perstack::{Output, progress};

    /// The first bytes are what tells that it is one.
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
    const WAV: &[u8] = b"RIFF\x24\0\0\0WAVEfmt ";

    /// Answers with text.
    #[tool(read_only)]
    fn test_simple_text() -> String {
        "This is a simple text response for testing.".to_owned()
    }

    /// Answers with an image.
    #[tool(read_only)]
    fn test_image_content() -> Output {
        Output::default().with_image("image/png", PNG.to_vec())
    }

    /// Answers with a sound.
    #[tool(read_only)]
    fn test_audio_content() -> Output {
        Output::default().with_file("audio/wav", WAV.to_vec())
    }

    /// Answers with a file.
    #[tool(read_only)]
    fn test_embedded_resource() -> Output {
        Output::default().with_file("text/plain", b"This is an embedded resource content.".to_vec())
    }

    /// Answers with all of them.
    #[tool(read_only)]
    fn test_multiple_content_types() -> Output {
        Output::text("Multiple content types test:")
            .with_image("image/png", PNG.to_vec())
            .with_file("application/json", br#"{"test":"data","value":123}"#.to_vec())
    }

    /// Fails.
    #[tool(read_only)]
    fn test_error_handling() -> Result<String, String> {
        Err("This tool intentionally returns an error for testing".to_owned())
    }

    /// Tells how far it is.
    #[tool(read_only)]
    fn test_tool_with_progress() -> String {
        for percent in [0_u8, 50, 100] {
            progress::report_fraction("working", f32::from(percent) / 100.0);
        }
        "done".to_owned()
    }

    /// Answers; its stream of events is the host's, which never ends it before.
    #[tool(read_only)]
    fn test_reconnection() -> String {
        "Reconnection test completed successfully".to_owned()
    }
}
