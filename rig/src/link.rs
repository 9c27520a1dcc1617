//! A TCP connection that can be cut, slowed and silenced.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What happens to the bytes of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// They pass.
    Fair,
    /// Each piece of up to 16 KiB is this late.
    Slow(Duration),
    /// Nothing passes, nothing is refused: a network that swallows everything.
    Silent,
    /// Connections are reset, and new ones too.
    Cut,
}

/// Passes connections on to a server.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    _end: DropGuard,
}

impl Link {
    /// A link to `server`, on a free port of this machine.
    pub async fn to(server: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (weather, seen) = watch::channel(Weather::Fair);
        let end = CancellationToken::new();
        tokio::spawn(accept(listener, server, seen, end.clone()));
        Ok(Self { address, weather, _end: end.drop_guard() })
    }

    /// Where to connect to.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what happens from now on.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, weather: watch::Receiver<Weather>, end: CancellationToken) {
    while let Some(Ok((here, _))) = end.run_until_cancelled(listener.accept()).await {
        let (mut cut, weather, end) = (weather.clone(), weather.clone(), end.clone());
        tokio::spawn(async move {
            if *weather.borrow() == Weather::Cut {
                return;
            }
            let Ok(there) = TcpStream::connect(server).await else { return };
            let _ = (here.set_nodelay(true), there.set_nodelay(true));
            let ((client_read, client_write), (server_read, server_write)) = (here.into_split(), there.into_split());
            tokio::select! {
                () = pass(client_read, server_write, weather.clone()) => {}
                () = pass(server_read, client_write, weather) => {}
                _ = cut.wait_for(|weather| *weather == Weather::Cut) => {}
                () = end.cancelled() => {}
            }
        });
    }
}

/// Passes one direction until either end closes; then the whole connection goes.
async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
) {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let Ok(read @ 1..) = from.read(&mut piece).await else { return };
        let now = *weather.borrow();
        match now {
            Weather::Slow(late) => tokio::time::sleep(late).await,
            Weather::Silent => {
                if weather.wait_for(|weather| *weather != Weather::Silent).await.is_err() {
                    return;
                }
            }
            Weather::Fair | Weather::Cut => {}
        }
        if to.write_all(&piece[..read]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        address
    }

    async fn round_trip(stream: &mut TcpStream) -> std::io::Result<u8> {
        stream.write_all(b"x").await?;
        stream.read_u8().await
    }

    #[tokio::test]
    async fn what_the_weather_does() {
        let link = Link::to(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(link.address()).await.unwrap();
        assert_eq!(round_trip(&mut stream).await.unwrap(), b'x');

        link.set(Weather::Silent);
        let silent = tokio::time::timeout(Duration::from_millis(100), round_trip(&mut stream)).await;
        assert!(silent.is_err(), "nothing comes");
        link.set(Weather::Fair);
        assert_eq!(stream.read_u8().await.unwrap(), b'x', "what was swallowed by a silent network arrives after it");

        link.set(Weather::Slow(Duration::from_millis(30)));
        let begun = tokio::time::Instant::now();
        round_trip(&mut stream).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(60), "late there and late back");

        link.set(Weather::Cut);
        assert!(round_trip(&mut stream).await.is_err());
        let mut other = TcpStream::connect(link.address()).await.unwrap();
        assert!(round_trip(&mut other).await.is_err(), "new ones are cut too");
    }
}
