//! Where answers of the member go: one entry per request in its hands.

use shoal_engine::member::ReplyTo;
use slab::Slab;

use crate::peer::ReplyPort;

pub enum Route {
    Local {
        port: ReplyPort,
        owner: u64,
        request_id: u64,
    },
    Remote {
        conn: usize,
        wire_id: u64,
    },
    /// Its connection is gone.
    Nowhere,
}

#[derive(Default)]
pub struct Routes {
    routes: Slab<Route>,
}

impl Routes {
    pub fn insert(&mut self, route: Route) -> ReplyTo {
        ReplyTo(self.routes.insert(route) as u64)
    }

    pub fn take(&mut self, to: ReplyTo) -> Route {
        self.routes.remove(to.0 as usize)
    }

    /// A connection ended: what it asked is still worked on, the answers are dropped.
    pub fn forget(&mut self, closed: usize) {
        for (_, route) in self.routes.iter_mut() {
            if matches!(route, Route::Remote { conn, .. } if *conn == closed) {
                *route = Route::Nowhere;
            }
        }
    }
}
