//! No network at all, of any kind.

use std::net::{TcpListener, UdpSocket};

use serde_json::json;

use crate::harness::{call, failed, skill, still_works};

#[tokio::test]
pub(crate) async fn sandbox_connect() {
    let skill = skill().await;
    // There is someone to talk to.
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    tcp.set_nonblocking(true).unwrap();
    udp.set_nonblocking(true).unwrap();
    let (tcp_address, udp_address) = (tcp.local_addr().unwrap().to_string(), udp.local_addr().unwrap().to_string());
    for (how, address) in [
        ("tcp", tcp_address.as_str()),
        ("udp", udp_address.as_str()),
        ("listen", "127.0.0.1:0"),
        ("lookup", "localhost:80"),
    ] {
        let reason = failed(call(&skill, "sandbox_connect", json!({ "how": how, "address": address })).await);
        assert!(
            reason.contains("ermission denied") || reason.contains("not permitted") || how == "lookup",
            "{how}: {reason}"
        );
        still_works(&skill).await;
    }
    assert_eq!(tcp.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(udp.recv(&mut [0; 16]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}
