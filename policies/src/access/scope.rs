//! Where, whence and when a principal may ask.
//!
//! Reads no clock and knows no header: the endpoint, the address and the time are told. Invariants: scopes are joined by
//! what both allow, so a team's scope can only be narrowed below it; an address that is not known is in no network.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use wire::short::same;

/// So many names are compared one by one: a look at two lengths tells nearly all of them apart.
const FEW: usize = 16;

/// All of something, or these names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// Every one that there is.
    #[default]
    All,
    /// These names, sorted.
    Only(Arc<[Box<str>]>),
}

impl Names {
    /// These names.
    #[must_use]
    pub fn only<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut names: Vec<Box<str>> = names.into_iter().map(|n| n.as_ref().into()).collect();
        names.sort_unstable();
        names.dedup();
        Self::Only(names.into())
    }

    /// Whether `name` is among them.
    #[must_use]
    pub fn allow(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) if names.len() <= FEW => names
                .iter()
                .any(|known| same(known.as_bytes(), name.as_bytes())),
            Self::Only(names) => names.binary_search_by(|known| (**known).cmp(name)).is_ok(),
        }
    }

    /// Whether everything that `self` allows is allowed by `other` too.
    #[must_use]
    pub fn within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::All) => true,
            (Self::All, Self::Only(_)) => false,
            (Self::Only(names), Self::Only(_)) => names.iter().all(|name| other.allow(name)),
        }
    }

    /// What both allow.
    #[must_use]
    pub fn both(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, only) | (only, Self::All) => only.clone(),
            (Self::Only(names), Self::Only(_)) => {
                Self::only(names.iter().filter(|name| other.allow(name)))
            }
        }
    }
}

/// What a principal's scope does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// The path.
    Endpoint,
    /// The address.
    Network,
    /// The time.
    Hours,
}

/// Where, whence and when. The default allows everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Paths, as the route table names them.
    pub endpoints: Names,
    /// Networks, joined as far as they can be; `None`: any address.
    pub networks: Option<Arc<[IpNet]>>,
    /// Times; `None`: any.
    pub hours: Option<Arc<Hours>>,
}

impl Scope {
    /// These networks.
    #[must_use]
    pub fn networks(networks: Vec<IpNet>) -> Option<Arc<[IpNet]>> {
        Some(IpNet::aggregate(&networks).into())
    }

    /// Whether a request may be made: to `endpoint`, from `address` (`None`: not known), at `unix_s`.
    ///
    /// # Errors
    /// The first thing that the scope does not hold.
    pub fn allow(
        &self,
        endpoint: &str,
        address: Option<IpAddr>,
        unix_s: i64,
    ) -> Result<(), Beyond> {
        if !self.endpoints.allow(endpoint) {
            return Err(Beyond::Endpoint);
        }
        if let Some(networks) = &self.networks
            && !address.is_some_and(|address| holds(networks, address))
        {
            return Err(Beyond::Network);
        }
        match &self.hours {
            Some(hours) if !hours.allow(unix_s) => Err(Beyond::Hours),
            _ => Ok(()),
        }
    }

    /// What both allow.
    #[must_use]
    pub fn both(&self, other: &Self) -> Self {
        Self {
            endpoints: self.endpoints.both(&other.endpoints),
            networks: either(&self.networks, &other.networks, |a, b| {
                let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a, b)));
                let common = pairs.filter_map(|(a, b)| match (a.contains(b), b.contains(a)) {
                    (true, _) => Some(*b),
                    (_, true) => Some(*a),
                    _ => None,
                });
                IpNet::aggregate(&common.collect()).into()
            }),
            hours: either(&self.hours, &other.hours, |a, b| Arc::new(a.both(b))),
        }
    }

    /// `self`, with what it says nothing about taken from `above`.
    #[must_use]
    pub fn or(&self, above: &Self) -> Self {
        Self {
            endpoints: match &self.endpoints {
                Names::All => above.endpoints.clone(),
                only @ Names::Only(_) => only.clone(),
            },
            networks: self.networks.as_ref().or(above.networks.as_ref()).cloned(),
            hours: self.hours.as_ref().or(above.hours.as_ref()).cloned(),
        }
    }

    /// Whether everything that `self` allows is allowed by `other` too.
    ///
    /// # Errors
    /// The first thing in which `self` is wider.
    pub fn within(&self, other: &Self) -> Result<(), Beyond> {
        let wider = |beyond, wider: bool| if wider { Err(beyond) } else { Ok(()) };
        wider(Beyond::Endpoint, !self.endpoints.within(&other.endpoints))?;
        wider(
            Beyond::Network,
            match (&self.networks, &other.networks) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(own), Some(outer)) => own
                    .iter()
                    .any(|own| !outer.iter().any(|outer| outer.contains(own))),
            },
        )?;
        wider(
            Beyond::Hours,
            match (&self.hours, &other.hours) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(own), Some(outer)) => !own.within(outer),
            },
        )
    }
}

/// Whether an address is in one of the networks. An IPv4 address written as IPv6 is the same address.
#[must_use]
pub fn holds(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

fn either<T: ?Sized>(
    a: &Option<Arc<T>>,
    b: &Option<Arc<T>>,
    both: impl FnOnce(&T, &T) -> Arc<T>,
) -> Option<Arc<T>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(both(a, b)),
        (one, None) | (None, one) => one.clone(),
    }
}

/// Minutes of a day.
pub const DAY_MINUTES: u16 = 24 * 60;
const WEEK_MINUTES: i64 = 7 * DAY_MINUTES as i64;
const WORDS: usize = (WEEK_MINUTES as usize).div_ceil(64);

/// Minutes of the week, a bit each, from Monday 00:00 UTC on. Zones without summer time are all that a config can name, so
/// that a week is like another.
#[derive(Clone, PartialEq, Eq)]
pub struct Hours([u64; WORDS]);

impl std::fmt::Debug for Hours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let minutes: u32 = self.0.iter().map(|word| word.count_ones()).sum();
        write!(f, "Hours({minutes} minutes a week)")
    }
}

impl Default for Hours {
    fn default() -> Self {
        Self([0; WORDS])
    }
}

impl Hours {
    /// Adds the time from minute `from` up to minute `to` of each day of `days` (0 is Monday), on clocks that are `zone_s`
    /// seconds ahead of UTC. A time that ends before it begins ends on the next day.
    pub fn add(&mut self, days: impl IntoIterator<Item = u8>, from: u16, to: u16, zone_s: i32) {
        let length = if to > from {
            to - from
        } else {
            DAY_MINUTES - from + to
        };
        for day in days {
            let begin = i64::from(day) * i64::from(DAY_MINUTES) + i64::from(from)
                - i64::from(zone_s.div_euclid(60));
            for minute in begin..begin + i64::from(length) {
                let (word, bit) = place(minute);
                if let Some(word) = self.0.get_mut(word) {
                    *word |= bit;
                }
            }
        }
    }

    fn allow(&self, unix_s: i64) -> bool {
        // 1970-01-01 was a Thursday.
        let (word, bit) = place(unix_s.div_euclid(60) + 3 * i64::from(DAY_MINUTES));
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    fn both(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for (word, other) in both.0.iter_mut().zip(&other.0) {
            *word &= other;
        }
        both
    }

    fn within(&self, other: &Self) -> bool {
        let mut words = self.0.iter().zip(&other.0);
        words.all(|(own, other)| own & !other == 0)
    }
}

/// Word and bit of a minute, counted from any Monday.
fn place(minute: i64) -> (usize, u64) {
    let minute = minute.rem_euclid(WEEK_MINUTES);
    // Less than 10,080.
    let word = usize::try_from(minute / 64).unwrap_or(0);
    (word, 1 << (minute % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nets(texts: &[&str]) -> Scope {
        let networks = texts.iter().map(|text| text.parse().unwrap()).collect();
        Scope {
            networks: Scope::networks(networks),
            ..Scope::default()
        }
    }

    fn hours(days: &[u8], from: u16, to: u16, zone_s: i32) -> Scope {
        let mut hours = Hours::default();
        hours.add(days.iter().copied(), from, to, zone_s);
        Scope {
            hours: Some(Arc::new(hours)),
            ..Scope::default()
        }
    }

    #[test]
    fn names_narrow() {
        let team = Names::only(["b", "a"]);
        assert!(team.allow("a") && !team.allow("c"));
        assert!(Names::only(["a"]).within(&team));
        assert!(!Names::All.within(&team));
        assert_eq!(Names::only(["a", "c"]).both(&team), Names::only(["a"]));
        assert_eq!(Names::All.both(&team), team);
    }

    #[test]
    fn networks_hold_addresses_of_both_kinds() {
        let scope = nets(&["10.0.0.0/8", "2001:db8::/32"]);
        for (address, allowed) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("11.0.0.1", false),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
            ("::1", false),
        ] {
            let asked = scope.allow("/x", Some(address.parse().unwrap()), 0);
            assert_eq!(asked.is_ok(), allowed, "{address}");
        }
        assert_eq!(scope.allow("/x", None, 0), Err(Beyond::Network));
    }

    #[test]
    fn networks_narrow() {
        let team = nets(&["10.0.0.0/9", "10.128.0.0/9", "192.168.0.0/16"]);
        // Two halves are the whole.
        assert_eq!(nets(&["10.0.0.0/8"]).within(&team), Ok(()));
        assert_eq!(nets(&["10.1.0.0/16"]).within(&team), Ok(()));
        assert_eq!(nets(&["10.0.0.0/7"]).within(&team), Err(Beyond::Network));
        assert_eq!(Scope::default().within(&team), Err(Beyond::Network));
        assert_eq!(
            nets(&["10.1.0.0/16", "0.0.0.0/0", "172.16.0.0/12"]).both(&team),
            nets(&["10.0.0.0/8", "192.168.0.0/16"])
        );
        // Nothing in common is nothing allowed, not everything.
        let none = nets(&["172.16.0.0/12"]).both(&team);
        let asked = none.allow("/x", Some("172.16.0.1".parse().unwrap()), 0);
        assert_eq!(asked, Err(Beyond::Network));
    }

    #[test]
    fn a_week_on_a_clock() {
        const SHANGHAI: i32 = 8 * 3600;
        let office = hours(&[0, 1, 2, 3, 4], 8 * 60, 20 * 60, SHANGHAI);
        // 2026-11-26 is a Thursday; 00:00 UTC is 08:00 in Shanghai.
        let thursday = 1_795_651_200;
        for (hour, minute, allowed) in [
            (0, 0, true),
            (11, 59, true),
            (12, 0, false),
            (23, 59, false),
            // Friday there, from 08:00.
            (24, 0, true),
            // Saturday there.
            (48, 0, false),
            // Monday there, one minute early, then in time.
            (95, 59, false),
            (96, 0, true),
        ] {
            let at = thursday + hour * 3600 + minute * 60;
            let asked = office.allow("/x", None, at);
            assert_eq!(asked.is_ok(), allowed, "{hour}:{minute}");
        }
        let night = hours(&[6], 22 * 60, 6 * 60, 0);
        let sunday = thursday + 3 * 86_400;
        assert!(night.allow("/x", None, sunday + 23 * 3600).is_ok());
        assert!(night.allow("/x", None, sunday + 29 * 3600).is_ok());
        assert!(night.allow("/x", None, sunday + 30 * 3600).is_err());
        assert!(hours(&[0], 540, 600, SHANGHAI).within(&office).is_ok());
        assert_eq!(
            hours(&[0], 540, 600, 0).within(&hours(&[0], 540, 600, 60)),
            Err(Beyond::Hours)
        );
        assert_eq!(Scope::default().within(&office), Err(Beyond::Hours));
        assert!(office.within(&Scope::default()).is_ok());
    }

    #[test]
    fn endpoints_come_first() {
        let scope = Scope {
            endpoints: Names::only(["/v1/messages"]),
            ..nets(&["10.0.0.0/8"])
        };
        assert_eq!(scope.allow("/v1/models", None, 0), Err(Beyond::Endpoint));
        assert_eq!(scope.allow("/v1/messages", None, 0), Err(Beyond::Network));
    }

    fn scope() -> impl Strategy<Value = Scope> {
        let nets = prop::option::of(prop::collection::vec((0u32..64, 26u8..=32), 0..4));
        let hours = prop::option::of((0u8..7, 0u16..1440, 0u16..=1440));
        let names = prop::option::of(prop::collection::vec("[abc]", 0..3));
        (nets, hours, names).prop_map(|(nets, span, names)| Scope {
            endpoints: names.map_or(Names::All, Names::only),
            networks: nets.and_then(|nets| {
                let net = |(low, bits)| {
                    let net =
                        ipnet::Ipv4Net::new(std::net::Ipv4Addr::from(0x0a00_0000 + low), bits);
                    IpNet::from(net.unwrap()).trunc()
                };
                Scope::networks(nets.into_iter().map(net).collect())
            }),
            hours: span.map(|(day, from, to)| {
                let mut hours = Hours::default();
                hours.add([day], from, to, 0);
                Arc::new(hours)
            }),
        })
    }

    proptest! {
        /// Whatever is asked: the join allows it if and only if both do, and is within both.
        #[test]
        fn joined_is_what_both_allow(
            a in scope(), b in scope(), low in 0u32..64, at in 0i64..604_800, name in "[abc]",
        ) {
            let address = Some(IpAddr::from((0x0a00_0000 + low).to_be_bytes()));
            let both = a.both(&b);
            let allow = |scope: &Scope| scope.allow(&name, address, at).is_ok();
            prop_assert_eq!(allow(&both), allow(&a) && allow(&b));
            prop_assert!(both.within(&a).is_ok() && both.within(&b).is_ok());
            if a.within(&b).is_ok() && allow(&a) {
                prop_assert!(allow(&b));
            }
        }
    }
}
