//! Numbers at fixed places in a text, told by a layout such as `YYYY-MM-DD`.

/// The months as sexplib writes them.
const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

/// The three numbers of a text: years, months and days, or hours, minutes and seconds. A number
/// that the layout does not have is 0.
///
/// `Y` and `h`, `M` and `m`, `D` and `s` stand for a digit of the first, second and third; `NNN`
/// for a month's name; everything else for itself.
pub(super) fn read(layout: &[u8], text: &[u8]) -> Option<[i32; 3]> {
    let (mut first, mut second, mut third) = (0i32, 0i32, 0i32);
    if layout.len() != text.len() {
        return None;
    }
    for (place, (&kind, &byte)) in layout.iter().zip(text).enumerate() {
        let number = match kind {
            b'Y' | b'h' => &mut first,
            b'M' | b'm' => &mut second,
            b'D' | b's' => &mut third,
            b'N' if second > 0 => continue,
            b'N' => {
                second = month(*text.get(place..)?.first_chunk()?)?;
                continue;
            }
            _ if kind == byte => continue,
            _ => return None,
        };
        let digit = i32::try_from(char::from(byte).to_digit(10)?).ok()?;
        *number = number.wrapping_mul(10).wrapping_add(digit);
    }
    Some([first, second, third])
}

/// Puts digits in the places of a layout: of the three numbers, and of a fraction where it has `u`.
pub(super) fn fill(layout: &mut [u8], [mut first, mut second, mut third]: [u32; 3], fraction: u32) {
    let mut fraction = fraction;
    for place in layout.iter_mut().rev() {
        let number = match *place {
            b'Y' | b'h' => &mut first,
            b'M' | b'm' => &mut second,
            b'D' | b's' => &mut third,
            b'u' => &mut fraction,
            _ => continue,
        };
        let [digit, ..] = (*number % 10).to_le_bytes();
        *place = b'0' | digit;
        *number /= 10;
    }
}

/// The numbers by the first layout that fits.
pub(super) fn read_any(layouts: &[&str], text: &[u8]) -> Option<[i32; 3]> {
    layouts.iter().find_map(|layout| read(layout.as_bytes(), text))
}

/// `Nov`, `NOV` or `nov`, but not `nOV`.
fn month(name: [u8; 3]) -> Option<i32> {
    let small = name.map(|letter| letter.is_ascii_lowercase());
    if !matches!(small, [_, true, true] | [false, false, false]) {
        return None;
    }
    let before = MONTHS.chunks_exact(3).position(|month| name.eq_ignore_ascii_case(month))?;
    i32::try_from(before).ok()?.checked_add(1)
}
