//! Digits of numbers and times, for what is made by the million: each straight into a text, without formatting.

/// Appends the last `digits` hexadecimal digits of a number.
pub(super) fn hex(text: &mut String, number: u64, digits: u32) {
    for digit in (0..digits.min(16)).rev() {
        text.push(char::from(HEX[usize::try_from(number >> (4 * digit) & 0xf).unwrap_or(0)]));
    }
}

/// Appends the last `digits` decimal digits of a number.
pub(super) fn decimal(text: &mut String, number: u64, digits: u32) {
    for digit in (0..digits.min(20)).rev() {
        let shifted = number / 10_u64.pow(digit.min(19));
        text.push(char::from(b'0' + (shifted % 10) as u8));
    }
}

/// Appends the date, `1970-01-01`, that is so many days after that one. Of the years 0 to 9999.
pub(super) fn date(text: &mut String, days: i64) {
    // Howard Hinnant's civil_from_days: years from March on, in eras of 400 years.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    for (number, digits, after) in [(year, 4, "-"), (month, 2, "-"), (day, 2, "")] {
        decimal(text, number.unsigned_abs(), digits);
        text.push_str(after);
    }
}

/// Appends the date and the time, `1970-01-01T00:00:00`, so many seconds after it. Of the years 0 to 9999.
pub(super) fn date_time(text: &mut String, seconds: i64) {
    date(text, seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400).unsigned_abs();
    for (before, number) in [("T", second / 3600), (":", second / 60 % 60), (":", second % 60)] {
        text.push_str(before);
        decimal(text, number, 2);
    }
}

const HEX: [u8; 16] = *b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made(make: impl FnOnce(&mut String)) -> String {
        let mut text = String::new();
        make(&mut text);
        text
    }

    proptest! {
        #[test]
        fn numbers_are_as_std_formats_them(number: u64) {
            prop_assert_eq!(made(|text| hex(text, number, 16)), format!("{number:016x}"));
            prop_assert_eq!(made(|text| hex(text, number, 3)), format!("{:03x}", number & 0xfff));
            prop_assert_eq!(made(|text| decimal(text, number, 20)), format!("{number:020}"));
            prop_assert_eq!(made(|text| decimal(text, number, 4)), format!("{:04}", number % 10_000));
        }

        #[test]
        fn times_are_as_jiff_formats_them(seconds in -62_167_219_200..253_400_000_000_i64) {
            let expected = jiff::Timestamp::from_second(seconds).unwrap().to_string();
            prop_assert_eq!(made(|text| date_time(text, seconds)) + "Z", expected);
        }
    }

    #[test]
    fn every_day_of_the_usual_years_has_its_date() {
        let mut day = jiff::civil::date(1500, 1, 1);
        for days in -171_664..120_000 {
            assert_eq!(made(|text| date(text, days)), day.to_string());
            day = day.tomorrow().unwrap();
        }
    }
}
