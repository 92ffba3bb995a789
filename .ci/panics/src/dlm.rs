//! The distributed lock manager: layouts, modes, and the conversation about a lock.

use lock_core::dlm::answer::{ANSWER_MAX, Answer, Completion, Event};
use lock_core::dlm::flags::{AnswerFlags, LockFlags};
use lock_core::dlm::lock::{LastValue, Lock};
use lock_core::dlm::mode::Mode;
use lock_core::dlm::name::{
    LockId, LockspaceName, NameError, ResourceName, Token, VALUE_LEN, ValueBlock,
};
use lock_core::dlm::request::Request;
use lock_core::dlm::status::Status;
use lock_core::dlm::table;
use lock_core::dlm::version::{VERSION_LEN, Version};
use lock_core::dlm::{Layout, LayoutError};

use crate::outside::{bytes, flag, keep, maybe, number, print};

fn small() -> u32 {
    number() as u32
}

fn mode() -> Mode {
    Mode::from_raw(number() as u8).unwrap_or_default()
}

fn layout() -> Layout {
    if flag() { Layout::Bits32 } else { Layout::Bits64 }
}

fn version() -> Version {
    Version { major: small(), minor: small(), patch: small() }
}

fn value() -> Option<ValueBlock> {
    maybe().map(|byte| [byte as u8; VALUE_LEN])
}

fn lock_flags() -> LockFlags {
    LockFlags::from_bits_retain(small())
}

fn status() -> Status {
    Status::from_raw(small() as i32)
}

#[unsafe(no_mangle)]
extern "C" fn dlm_modes() {
    let (one, other) = (mode(), mode());
    keep((one.to_raw(), one.name(), one.is_compatible(other), one.common(other)));
    keep((one.conversion(other), one.may_queue_conversion(other), one.value_move(other)));
    keep((one.writes_value(), one.alternative()));
    print(one);
    print(status());
    keep(status().to_raw());
    bytes(|name| keep(Mode::from_name(name)));
    bytes(|line| keep(table::parse(line)));
}

#[unsafe(no_mangle)]
extern "C" fn dlm_names_and_versions() {
    bytes(|name| {
        match ResourceName::new(name) {
            Ok(name) => keep(name.as_bytes()),
            Err(error) => print(error),
        }
        match LockspaceName::new(name) {
            Ok(name) => keep(name.as_bytes()),
            Err(error) => print(error),
        }
        if let Some(bytes) = name.first_chunk::<VERSION_LEN>() {
            keep(Version::decode(*bytes));
        }
    });
    print(NameError::TooLong { len: number() as usize });
    print(LayoutError::Mode(number() as u8));
    keep((version().understands(version()), version().encode()));
    print(version());
    keep((LockId::new(small()).map(LockId::get), Token::new(small()).map(Token::get)));
}

#[unsafe(no_mangle)]
extern "C" fn dlm_layouts() {
    let layout = layout();
    keep((layout.request_len(), layout.answer_len()));
    bytes(|read| {
        match Request::decode(read, layout) {
            Ok((request, version)) => keep(request.encode(layout, version).as_bytes()),
            Err(error) => print(error),
        }
        match Answer::decode(read, layout) {
            Ok(answer) => keep::<([u8; ANSWER_MAX], usize)>(answer.encode(layout, version())),
            Err(error) => print(error),
        }
    });
}

#[unsafe(no_mangle)]
extern "C" fn dlm_conversation() {
    let Some(id) = LockId::new(small()) else { return };
    let mut lock =
        if flag() { Lock::request(mode(), lock_flags()) } else { Lock::adopted(id, mode()) };
    while flag() {
        match number() {
            0 => keep(lock.convert(mode(), lock_flags(), value()).is_ok()),
            1 => keep(lock.cancel()),
            2 => keep(lock.unlock(value().map_or(LastValue::Keep, LastValue::Write))),
            3 => keep(lock.handle_written(Ok(LockId::new(small())))),
            4 => keep(lock.handle_written(Err(number() as u16))),
            5 => keep(lock.handle_blocking(mode())),
            6 => {
                let flags = AnswerFlags::from_bits_retain(number() as u8);
                let completion = Completion { status: status(), flags, value: value() };
                keep(Event::Completion(completion));
                keep(lock.handle_completion(id, completion));
            }
            7 => bytes(|name| {
                let name = ResourceName::new(name).unwrap_or_default();
                let token = Token::new(small()).unwrap_or(Token(id.0));
                keep(lock.poll_transmit().map(|it| it.request(token, name, flag())));
            }),
            _ => keep((lock.state(), lock.id(), lock.mode(), lock.wanted(), lock.is_ended())),
        }
    }
}
