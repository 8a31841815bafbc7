//! Talks to the network, in each way that the standard library has.

use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

pub(crate) fn run(how: &str, address: &str) -> Result<String, String> {
    let done = match how {
        "tcp" => TcpStream::connect(address).map(|_| "connected".to_owned()),
        "listen" => TcpListener::bind(address).map(|_| "listening".to_owned()),
        "udp" => UdpSocket::bind("127.0.0.1:0")
            .and_then(|socket| socket.send_to(b"hello", address))
            .map(|bytes| format!("{bytes} sent")),
        "lookup" => address.to_socket_addrs().map(|found| format!("{:?}", found.collect::<Vec<_>>())),
        other => return Err(format!("no such way: {other}")),
    };
    done.map_err(|error| error.to_string())
}
