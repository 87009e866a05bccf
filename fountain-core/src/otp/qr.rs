use std::fmt;

use qrcodegen::QrCodeEcc;

use crate::error::{Error, ErrorKind};
use crate::secret::{Secret, SecretBytes};

/// Modules of quiet around the code (ISO/IEC 18004 section 9.1).
const QUIET: i32 = 4;
/// Pixels of a module.
const SCALE: usize = 8;

/// A QR code of an otpauth URI, for a page or a file.
///
/// ```
/// use fountain_core::OsRandom;
/// use fountain_core::otp::{OtpSecret, QrCode, Totp};
///
/// let totp = Totp::new(OtpSecret::generate(&OsRandom)?);
/// let code = QrCode::of(&totp.uri("Example Shop", "alice@example.com")?)?;
/// assert!(code.to_svg().expose().starts_with("<svg "));
/// assert!(code.to_png()?.expose().starts_with(b"\x89PNG"));
///
/// let book = fountain_core::Secret::from("a".repeat(10_000));
/// assert!(QrCode::of(&book).is_err()); // longer than any otpauth URI
/// # Ok::<(), fountain_core::Error>(())
/// ```
///
/// # Security
/// The picture is the secret. Send it with `Cache-Control: no-store`, and never through a service that draws QR codes.
pub struct QrCode(qrcodegen::QrCode);

impl QrCode {
    /// The code of a text, which stands 15 % of damage.
    ///
    /// # Errors
    /// `InvalidInput` when the text is longer than 2,048 bytes.
    pub fn of(text: &Secret) -> Result<Self, Error> {
        const LONG: Error = Error::invalid("text of a QR code", "give at most 2048 bytes");
        if text.expose().len() > 2_048 {
            return Err(LONG);
        }
        qrcodegen::QrCode::encode_text(text.expose(), QrCodeEcc::Medium)
            .map(Self)
            .map_err(|_| LONG)
    }

    /// An SVG image, black on white, that scales to the size of what it is put into.
    #[must_use]
    pub fn to_svg(&self) -> Secret {
        let side = self.0.size() + 2 * QUIET;
        let mut path = String::with_capacity(self.modules().count() * 16);
        for (x, y) in self.modules() {
            path.push_str(&format!("M{},{}h1v1h-1z", x + QUIET, y + QUIET));
        }
        Secret::from(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
             <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{path}\"/></svg>"
        ))
    }

    /// A PNG image, black on white, 8 pixels a module.
    ///
    /// # Errors
    /// `Crypto` when it could not be written: there was no memory.
    pub fn to_png(&self) -> Result<SecretBytes, Error> {
        let failed = |error: png::EncodingError| {
            Error::with_source(ErrorKind::Crypto("drawing a QR code"), error)
        };
        let modules = usize::try_from(self.0.size() + 2 * QUIET).unwrap_or(0);
        let side = modules * SCALE;
        // A module is 8 pixels of one bit: a byte, in each of 8 lines.
        let mut pixels = vec![0xff_u8; modules * side];
        for (x, y) in self.modules() {
            let place = |at: i32| usize::try_from(at + QUIET).unwrap_or(0);
            for line in 0..SCALE {
                let at = (place(y) * SCALE + line) * modules + place(x);
                if let Some(byte) = pixels.get_mut(at) {
                    *byte = 0;
                }
            }
        }
        let mut file = Vec::new();
        let side = u32::try_from(side).unwrap_or(0);
        let mut encoder = png::Encoder::new(&mut file, side, side);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(&pixels).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(SecretBytes::new(file))
    }

    /// The places of the dark modules.
    fn modules(&self) -> impl Iterator<Item = (i32, i32)> {
        let size = self.0.size();
        (0..size)
            .flat_map(move |y| (0..size).map(move |x| (x, y)))
            .filter(|(x, y)| self.0.get_module(*x, *y))
    }
}

impl fmt::Debug for QrCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QrCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::Cursor;

    use super::*;

    const URI: &str =
        "otpauth://totp/Shop:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR&issuer=Shop";

    fn code() -> QrCode {
        QrCode::of(&Secret::from(URI.to_owned())).unwrap()
    }

    /// The dark pixels of a PNG, and its side, by the decoder.
    fn decoded(png: &SecretBytes) -> (HashSet<(usize, usize)>, usize) {
        let mut reader = png::Decoder::new(Cursor::new(png.expose()))
            .read_info()
            .unwrap();
        let side = usize::try_from(reader.info().width).unwrap();
        assert_eq!(reader.info().height, reader.info().width);
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let bits = pixels
            .iter()
            .flat_map(|byte| (0..8).map(move |bit| byte >> (7 - bit) & 1));
        let dark = bits
            .enumerate()
            .filter(|(_, bit)| *bit == 0)
            .map(|(at, _)| (at % side, at / side))
            .collect();
        (dark, side)
    }

    #[test]
    fn every_pixel_of_the_png_is_its_modules() {
        let code = code();
        let (dark, side) = decoded(&code.to_png().unwrap());
        let modules = i32::try_from(side / 8).unwrap();
        assert_eq!((modules, side % 8), (code.0.size() + 8, 0));
        for (y, row) in (0..side).zip((0..modules).flat_map(|row| [row; 8])) {
            for (x, column) in (0..side).zip((0..modules).flat_map(|column| [column; 8])) {
                // The library answers `false` outside of the code, which is the quiet zone.
                let module = code.0.get_module(column - 4, row - 4);
                assert_eq!(dark.contains(&(x, y)), module, "{x} {y}");
            }
        }
        assert!(dark.len() > side * side / 5);
    }

    #[test]
    fn the_svg_draws_the_same_modules() {
        let code = code();
        let svg = code.to_svg();
        let drawn: HashSet<(i32, i32)> = svg
            .expose()
            .split('M')
            .skip(1)
            .map(|part| {
                let (x, rest) = part.split_once(',').unwrap();
                let (y, _) = rest.split_once('h').unwrap();
                (x.parse::<i32>().unwrap() - 4, y.parse::<i32>().unwrap() - 4)
            })
            .collect();
        assert_eq!(drawn, code.modules().collect());
        // Nothing of the text is in it, and nothing that a policy for content would refuse.
        for word in ["otpauth", "secret", "script", "style", "href"] {
            assert!(!svg.expose().contains(word));
        }
    }

    #[test]
    fn what_no_otpauth_uri_is_long_enough_for_is_refused() {
        assert!(QrCode::of(&Secret::from("a".repeat(2_048))).is_ok());
        assert!(QrCode::of(&Secret::from("a".repeat(2_049))).is_err());
    }

    /// R-77
    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", code()), "QrCode(..)");
    }
}
