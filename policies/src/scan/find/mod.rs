//! The detectors: one file per family, one line per detector.
//!
//! Each is a pure function of what stands at its place. Adding one: a function `fn(&Site) -> Option<Found>` in a file
//! here, and a line below. Invariant: a finder's hit begins at its site, and it reads at most about twice `max_len`.

mod address;
mod address_latin;
mod address_words;
mod assigned;
mod assigned_names;
mod birth;
mod card;
pub(super) mod checks;
mod cn_id;
mod code;
mod device;
mod intl;
mod keyed;
mod listed;
mod mrz;
mod name;
mod name_beside;
mod name_latin;
mod name_titled;
mod name_words;
mod net;
mod org;
mod pem;
mod phone;
mod pieces;
mod secret;
mod url;
mod value;
mod vehicle;

pub(super) use assigned::{flagged, leads, paired};
pub(super) use code::{Code, Lettered, opens_gap};
pub(super) use listed::list_ahead;
pub(super) use name_beside::name_behind;
pub(super) use pieces::join;

use super::ask::{Detector, On, Sizes};

/// Whether a name that secrets are assigned to may end the text, but for signs and filling words.
pub(super) fn may_be_named(text: &[u8]) -> bool {
    assigned_names::may_be_named(text) != assigned_names::MayBe::No
}

/// Whether a detector of capitals may find something at the word at `at`, which begins with one capital and a letter or
/// sign that is none.
#[inline]
pub(super) fn opens_capital(bytes: &[u8], at: usize) -> bool {
    birth::month_heads(bytes, at) || name_latin::cued(bytes.get(..at).unwrap_or(&[]))
}

/// The same of a word that begins with these letters behind a word that ends with those two, and a blank; true if that
/// is not enough to tell.
#[inline]
pub(super) fn opens_behind(letters: [u8; 3], before: u8, last: u8) -> bool {
    !(before.is_ascii_alphabetic() && last.is_ascii_alphabetic())
        || name_latin::ends_cue(before, last)
        || birth::heads_month(letters)
}

/// The same of any word in which no small letter comes first, from `at` to `end`.
pub(super) fn may_be_capital(bytes: &[u8], at: usize, end: usize) -> bool {
    opens_capital(bytes, at) || vehicle::heads_plate(bytes, at) || mrz::may_begin(bytes, at, end)
}

const fn on(name: &'static str, on: &'static [On], max_len: usize, find: Find) -> Detector {
    Detector {
        name,
        on,
        max_len,
        sizes: Sizes::Any,
        find,
    }
}

impl Detector {
    /// The same, of so many digits where it is asked for a number.
    const fn digits(self, sizes: &[u8]) -> Self {
        let sizes = Sizes::Digits(bits(sizes));
        Self { sizes, ..self }
    }

    /// The same where a letter or brackets may follow the digits.
    const fn open(self, sizes: &[u8]) -> Self {
        let sizes = Sizes::Open(bits(sizes));
        Self { sizes, ..self }
    }

    /// The same of telephone numbers.
    const fn phone(self, sizes: &[u8]) -> Self {
        let sizes = Sizes::Phone(bits(sizes));
        Self { sizes, ..self }
    }

    /// The same, of letters first and then digits.
    const fn lettered(self) -> Self {
        Self {
            sizes: Sizes::Lettered,
            ..self
        }
    }

    /// The same, of so many letters and digits.
    const fn code(self, sizes: &[u8]) -> Self {
        let sizes = Sizes::Code(bits(sizes));
        Self { sizes, ..self }
    }
}

/// A bit for each size.
const fn bits(mut sizes: &[u8]) -> u32 {
    let mut bits = 0;
    while let [first, rest @ ..] = sizes {
        bits |= 1 << *first;
        sizes = rest;
    }
    bits
}

/// The titles behind names, and what greets a name.
pub(crate) fn titles() -> impl Iterator<Item = &'static str> {
    name_words::titles()
}

/// The characters that the words of names and addresses begin or end with, for the table of characters.
pub(crate) fn words() -> impl Iterator<Item = (char, u16)> {
    name_words::words().chain(address_words::words())
}

type Find = fn(&super::site::Site<'_, '_>) -> Option<super::site::Found>;

/// Longest number: 40 digits with gaps, some of them Chinese.
const NUMBER: usize = 160;
/// Longest token.
const TOKEN: usize = 512;

/// All built-in detectors.
pub(crate) static DETECTORS: &[Detector] = &[
    on("id_card", &[On::Number], NUMBER, cn_id::card).open(&[17, 18]),
    on("id_card_15", &[On::Number], NUMBER, cn_id::card15).digits(&[15]),
    on("tw_pass", &[On::Number], NUMBER, cn_id::tw_pass).open(&[8, 10]),
    on("cn_letter_documents", &[On::Code], NUMBER, cn_id::lettered).lettered(),
    on("mobile", &[On::Number, On::Plus], NUMBER, phone::mobile).phone(&[11, 13]),
    on("landline", &[On::Number, On::Plus], NUMBER, phone::landline).phone(&[11, 12]),
    on("phone_intl", &[On::Plus], NUMBER, phone::international),
    on("card", &[On::Number], NUMBER, card::card).digits(&[13, 14, 15, 16, 17, 18, 19]),
    on("iban", &[On::Code], NUMBER, card::iban),
    on("uscc", &[On::Number, On::Code], NUMBER, org::uscc).code(&[18]),
    on("org_code", &[On::Number, On::Code], NUMBER, org::org_code).code(&[9]),
    on("biz_license", &[On::Number], NUMBER, org::business).digits(&[15]),
    on("tax_id", &[On::Number, On::Code], NUMBER, org::tax).code(&[15, 17, 18, 20]),
    on("plate", &[On::Plate], NUMBER, vehicle::plate),
    on(
        "armed_police_plate",
        &[On::Capital],
        NUMBER,
        vehicle::plate_wj,
    ),
    on("vin", &[On::Number, On::Code], NUMBER, vehicle::vin).code(&[17]),
    on("imei", &[On::Number], NUMBER, device::imei).digits(&[15]),
    on("gps", &[On::Decimal, On::Sign], NUMBER, device::gps),
    on("ssn", &[On::Number], NUMBER, intl::ssn).digits(&[9]),
    on("my_number", &[On::Number], NUMBER, intl::my_number).digits(&[12]),
    on("rrn", &[On::Number], NUMBER, intl::rrn).digits(&[13]),
    on("lettered_intl", &[On::Code], NUMBER, intl::lettered).lettered(),
    on("military", &[On::Form], NUMBER, keyed::military),
    on("keyed", &[On::Number, On::Word], NUMBER, keyed::keyed),
    on(
        "birth",
        &[On::Date, On::Capital, On::Numerals],
        NUMBER,
        birth::birth,
    ),
    on("mrz", &[On::Zone, On::Capital], 200, mrz::mrz),
    on("email", &[On::Mail], TOKEN, net::email),
    on("ipv4", &[On::Decimal], NUMBER, net::ipv4),
    on("ipv6", &[On::Hex, On::Sign], NUMBER, net::ipv6),
    on("mac", &[On::Hex], NUMBER, net::mac),
    on("url", &[On::Scheme], TOKEN, url::credential),
    on("secret", &[On::Key], 8192, secret::prefixed),
    on("assigned", &[On::Value], TOKEN, assigned::led),
    on("assigned_symbol", &[On::Symbol], TOKEN, assigned::assigned),
    on("pieces", &[On::Joined], 1536, pieces::pieces),
    on("listed", &[On::List], NUMBER, listed::listed),
    on("private_key", &[On::Dashes], pem::PEM_MAX, pem::private_key),
    on("name", &[On::Surname], NUMBER, name::chinese),
    on("name_foreign", &[On::Dotted], NUMBER, name::foreign),
    on("name_latin", &[On::Capital], NUMBER, name_latin::latin),
    on("address", &[On::Place], 400, address::chinese),
    on("address_latin", &[On::House], 400, address_latin::latin),
];
