//! The mean level of each 8 × 8 block of a JPEG, without decoding the rest.
//!
//! A baseline JPEG stores each block as its mean (as a difference from the block before) and then
//! up to 63 finer waves. A thumbnail needs only the means. The waves must still be walked over,
//! for nothing says how long they are, but not computed; and walking is quick when a table tells
//! for the next 12 bits how many whole symbols lie in them.
//!
//! Files that are anything but plain give `None`, and so do damaged ones: the decoders know better
//! what to do with these.

use super::Scaled;

/// The mean levels of the blocks, into `means`; `None` for a file to decode in another way.
pub(super) fn decode_into(bytes: &[u8], means: &mut Vec<u8>) -> Option<Scaled> {
    let image = parse(bytes)?;
    let (columns, rows) = (image.width.div_ceil(8), image.height.div_ceil(8));
    means.clear();
    means.resize(columns * rows, 0);

    let first = image.parts.first()?;
    // Blocks of one colour in a unit of the scan: 2 × 2 grey ones, say, and one of each colour.
    let (across, down) = match image.parts.len() {
        1 => (1, 1),
        _ => (first.across, first.down),
    };
    let (units, unit_rows) = (columns.div_ceil(across), rows.div_ceil(down));
    let mut bits = Bits::new(image.scan);
    let (mut mean, mut until_restart) = (0_i32, image.restart);
    for unit_row in 0..unit_rows {
        for unit in 0..units {
            if image.restart > 0 && until_restart == 0 {
                bits.restart()?;
                (mean, until_restart) = (0, image.restart);
            }
            until_restart = until_restart.wrapping_sub(1);
            for block in 0..across * down {
                mean = mean.checked_add(first.mean.difference(&mut bits)?)?;
                first.waves.skip_block(&mut bits)?;
                let column = unit * across + block % across;
                let row = unit_row * down + block / across;
                if column < columns && row < rows {
                    let level = (mean.checked_mul(first.step)?.checked_add(4)? >> 3) + 128;
                    means[row * columns + column] = level.clamp(0, 255) as u8;
                }
            }
            for part in &image.parts[1..] {
                for _ in 0..part.across * part.down {
                    part.mean.difference(&mut bits)?;
                    part.waves.skip_block(&mut bits)?;
                }
            }
        }
        if bits.overrun() {
            return None;
        }
    }
    Some(Scaled {
        width: columns as u32,
        height: rows as u32,
        covered: (image.width as f64 / 8.0, image.height as f64 / 8.0),
    })
}

/// What the header says.
struct Image<'a> {
    width: usize,
    height: usize,
    /// Grey first; then, in colour files, the two colours.
    parts: Vec<Part>,
    /// Units between restart markers; 0 for none.
    restart: u32,
    scan: &'a [u8],
}

struct Part {
    across: usize,
    down: usize,
    /// How much one unit of the mean is worth, in eighths of a level.
    step: i32,
    mean: Codes,
    waves: Codes,
}

fn parse(bytes: &[u8]) -> Option<Image<'_>> {
    let (mut steps, mut means, mut waves) = ([None; 4], [const { None }; 4], [const { None }; 4]);
    let (mut frame, mut restart) = (None, 0);
    let mut at = 2;
    loop {
        let [0xff, marker, high, low] = *bytes.get(at..at + 4)?.first_chunk::<4>()? else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let segment = bytes.get(at + 4..at + 2 + length)?;
        at += 2 + length;
        match marker {
            0xdb => quantisers(segment, &mut steps)?,
            0xc4 => codes(segment, &mut means, &mut waves)?,
            0xc0 | 0xc1 if frame.is_none() => frame = Some(segment),
            0xdd => restart = u32::from(u16::from_be_bytes(*segment.first_chunk()?)),
            // Of Adobe's colours only number 1 is the one that everybody else uses.
            0xee if segment.starts_with(b"Adobe") && *segment.get(11)? != 1 => return None,
            0xe0..=0xef | 0xfe => {}
            0xda => break parse_scan(frame?, segment, restart, &bytes[at..], &steps, means, waves),
            _ => return None,
        }
    }
}

fn quantisers(mut segment: &[u8], steps: &mut [Option<i32>; 4]) -> Option<()> {
    while let [kind, rest @ ..] = segment {
        let wide = kind >> 4 != 0;
        let step = match wide {
            true => i32::from(u16::from_be_bytes(*rest.first_chunk()?)),
            false => i32::from(*rest.first()?),
        };
        *steps.get_mut(usize::from(kind & 15))? = Some(step);
        segment = rest.get(if wide { 128 } else { 64 }..)?;
    }
    Some(())
}

fn codes(
    mut segment: &[u8],
    means: &mut [Option<Codes>; 4],
    waves: &mut [Option<Codes>; 4],
) -> Option<()> {
    while let [kind, rest @ ..] = segment {
        let counts: &[u8; 16] = rest.first_chunk()?;
        let count = counts.iter().map(|&n| usize::from(n)).sum::<usize>();
        let symbols = rest.get(16..16 + count)?;
        let (tables, of_waves) = match kind >> 4 {
            0 => (&mut *means, false),
            1 => (&mut *waves, true),
            _ => return None,
        };
        *tables.get_mut(usize::from(kind & 15))? = Some(Codes::new(counts, symbols, of_waves)?);
        segment = &rest[16 + count..];
    }
    Some(())
}

fn parse_scan<'a>(
    frame: &[u8],
    scan: &[u8],
    restart: u32,
    data: &'a [u8],
    steps: &[Option<i32>; 4],
    means: [Option<Codes>; 4],
    waves: [Option<Codes>; 4],
) -> Option<Image<'a>> {
    let &[8, h1, h0, w1, w0, count, ref shapes @ ..] = frame else {
        return None;
    };
    let count = usize::from(count);
    // In three parts with these names are red, green and blue.
    let names_colours = count == 3 && (shapes.first()?, shapes.get(3)?) == (&b'R', &b'G');
    if !matches!(count, 1 | 3) || names_colours || shapes.len() != 3 * count {
        return None;
    }
    let all = scan.len() == 4 + 2 * count && usize::from(scan[0]) == count;
    if !all || !scan.ends_with(&[0, 63, 0]) {
        return None;
    }
    let mut parts = Vec::with_capacity(count);
    for (shape, choice) in shapes.chunks_exact(3).zip(scan[1..].chunks_exact(2)) {
        let (across, down) = (usize::from(shape[1] >> 4), usize::from(shape[1] & 15));
        if shape[0] != choice[0] || !(1..=4).contains(&across) || !(1..=4).contains(&down) {
            return None;
        }
        parts.push(Part {
            across,
            down,
            step: (*steps.get(usize::from(shape[2]))?)?,
            mean: means.get(usize::from(choice[1] >> 4))?.clone()?,
            waves: waves.get(usize::from(choice[1] & 15))?.clone()?,
        });
    }
    // Grey is the one with all pixels, or this is an odd file.
    let most = (parts[0].across, parts[0].down);
    if parts.iter().any(|part| part.across > most.0 || part.down > most.1) {
        return None;
    }
    Some(Image {
        width: usize::from(u16::from_be_bytes([w1, w0])),
        height: usize::from(u16::from_be_bytes([h1, h0])),
        parts,
        restart,
        scan: data,
    })
}

/// Bits that are looked at together.
const LOOK: u32 = 12;

/// A Huffman code.
///
/// A step of 0 bits in a table stands for a code that is longer than [`LOOK`], or for bits that are
/// no code: [`long`](Codes::long) tells these apart. No other step takes 0 bits.
#[derive(Clone)]
struct Codes {
    /// For the next [`LOOK`] bits, the symbol that they begin with.
    one: Vec<Step>,
    /// For the same bits, all symbols whose codes lie within them. For waves only.
    many: Vec<Step>,
    /// For codes longer than that: per length, the end of the codes (left-aligned to 16 bits), and
    /// what to add to a code to find its symbol.
    ends: [(u32, i32); 17],
    symbols: Vec<u8>,
}

/// A step over one or more symbols and the bits that follow them.
#[derive(Clone, Copy, Default)]
struct Step {
    /// Bits of codes and values together; 0 if the code is longer than [`LOOK`].
    bits: u8,
    /// How many waves further; [`END`] is added at the end of a block.
    waves: u8,
    /// Bits of the value, of one symbol.
    value: u8,
}

/// More than the waves of a block.
const END: u8 = 128;

impl Codes {
    fn new(counts: &[u8; 16], symbols: &[u8], of_waves: bool) -> Option<Codes> {
        let mut codes = Codes {
            one: vec![Step::default(); 1 << LOOK],
            many: Vec::new(),
            ends: [(0, 0); 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut index) = (0_u32, 0_usize);
        for length in 1..=16_u32 {
            let first = index as i32 - code as i32;
            for _ in 0..counts[length as usize - 1] {
                if code >= 1 << length {
                    return None;
                }
                if length <= LOOK {
                    let step = Step::over(symbols[index], length, of_waves);
                    let start = (code << (LOOK - length)) as usize;
                    codes.one[start..start + (1 << (LOOK - length))].fill(step);
                }
                code += 1;
                index += 1;
            }
            codes.ends[length as usize] = (code << (16 - length), first);
            code <<= 1;
        }
        if of_waves {
            codes.many = (0..1 << LOOK).map(|bits| codes.steps(bits)).collect();
        }
        Some(codes)
    }

    /// As many steps as begin and have their codes within these bits.
    fn steps(&self, bits: usize) -> Step {
        let mut all = self.one[bits];
        if all.bits == 0 {
            return all;
        }
        while u32::from(all.bits) < LOOK && all.waves < 64 {
            let rest = (bits << all.bits) & ((1 << LOOK) - 1);
            let next = self.one[rest];
            // The code must lie within the bits that are known; the value need not.
            let code = u32::from(next.bits - next.value);
            if next.bits == 0 || u32::from(all.bits) + code > LOOK {
                break;
            }
            // No block has that many waves, and the sum must not look like an end.
            if next.waves < END && all.waves + next.waves >= 64 {
                break;
            }
            all.bits += next.bits;
            all.waves += next.waves;
        }
        all
    }

    /// The step over the next symbol, whatever its length.
    #[cold]
    fn long(&self, next: u32, of_waves: bool) -> Option<Step> {
        let next = next >> 16;
        for length in LOOK + 1..=16 {
            let (end, first) = self.ends[length as usize];
            if next < end {
                let index = (next >> (16 - length)) as i32 + first;
                let symbol = *self.symbols.get(usize::try_from(index).ok()?)?;
                return Some(Step::over(symbol, length, of_waves));
            }
        }
        None
    }

    /// The difference of a block's mean from the one before.
    #[inline]
    fn difference(&self, bits: &mut Bits) -> Option<i32> {
        bits.fill();
        let mut step = self.one[bits.look()];
        if step.bits == 0 {
            step = self.long(bits.next32(), false)?;
        }
        let size = u32::from(step.value);
        bits.skip(u32::from(step.bits) - size);
        if size == 0 {
            return Some(0);
        }
        let value = (bits.buffer >> (64 - size)) as i32;
        bits.skip(size);
        // Values that begin with a 0 are negative.
        let negative = value < 1 << (size - 1);
        Some(if negative { value - (1 << size) + 1 } else { value })
    }

    /// Walks over a block's waves.
    #[inline]
    fn skip_block(&self, bits: &mut Bits) -> Option<()> {
        // The mean is number 0.
        let mut wave = 1_u32;
        loop {
            bits.fill();
            let look = bits.look();
            let mut step = self.many[look];
            let ends = step.waves >= END;
            let further = u32::from(step.waves & (END - 1));
            if step.bits != 0 && wave + further < 64 {
                bits.skip(step.bits.into());
                if ends {
                    return Some(());
                }
                wave += further;
                continue;
            }
            // The block may be full before all of these symbols are used: one at a time.
            step = self.one[look];
            if step.bits == 0 {
                step = self.long(bits.next32(), true)?;
            }
            bits.skip(step.bits.into());
            if step.waves >= END {
                return Some(());
            }
            wave += u32::from(step.waves);
            if wave >= 64 {
                return (wave == 64).then_some(());
            }
        }
    }
}

impl Step {
    fn over(symbol: u8, length: u32, of_waves: bool) -> Step {
        let value = symbol & 15;
        let waves = match symbol {
            _ if !of_waves => 0,
            // Sixteen zeros; anything else without a value is the end of the block.
            0xf0 => 16,
            _ if value == 0 => END,
            _ => (symbol >> 4) + 1,
        };
        Step { bits: length as u8 + value, waves, value }
    }
}

/// Reads the scan's bits, from the highest down.
///
/// What holds between calls:
///
/// - The upper `count` bits of `buffer` are the scan's next ones. Behind them are zeros, or (after a
///   quick fill) the very bits that follow, so that `|` may put them there a second time.
/// - After [`fill`](Bits::fill) there are 32 bits or all that are left. A symbol takes at most 31:
///   16 of its code and 15 of its value. So one fill is enough for each step.
/// - Behind the end come zeros, and `count` falls below 0 and never rises again. Whoever reads on
///   gets values that mean nothing, but ends: each step takes at least one bit, each block at most
///   63 waves. [`decode_into`] asks for that after each row of units and throws all away.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, left-aligned.
    buffer: u64,
    /// How many of them are real; negative after the end.
    count: i32,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Bits { bytes, at: 0, buffer: 0, count: 0 }
    }

    /// Makes sure of 32 bits, as far as there are any.
    #[inline]
    fn fill(&mut self) {
        if self.count >= 32 {
            return;
        }
        if let Some(next) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) {
            let word = u64::from_be_bytes(*next);
            // No byte is 0xff: none of the inverted ones is 0.
            let zeros = (!word).wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080;
            if zeros == 0 && self.count >= 0 {
                let whole = (64 - self.count as u32) / 8;
                self.buffer |= word >> self.count;
                // Only whole bytes count; the bits behind them come again, and are the same.
                self.count += 8 * whole as i32;
                self.at += whole as usize;
                return;
            }
        }
        self.fill_slowly();
    }

    #[cold]
    fn fill_slowly(&mut self) {
        if self.count < 0 {
            return;
        }
        // What a quick fill left behind the counted bits must go.
        self.buffer &= !(u64::MAX.checked_shr(self.count as u32).unwrap_or(0));
        while self.count <= 56 {
            let byte = match self.bytes.get(self.at..) {
                // A stuffed zero follows each 0xff that is none of a marker.
                Some([0xff, 0x00, ..]) => {
                    self.at += 2;
                    0xff
                }
                Some([0xff, ..]) | Some([]) | None => return,
                Some([byte, ..]) => {
                    self.at += 1;
                    *byte
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    #[inline]
    fn look(&self) -> usize {
        (self.buffer >> (64 - LOOK)) as usize
    }

    fn next32(&self) -> u32 {
        (self.buffer >> 32) as u32
    }

    /// At most 31 bits.
    #[inline]
    fn skip(&mut self, bits: u32) {
        self.buffer <<= bits;
        self.count -= bits as i32;
    }

    fn overrun(&self) -> bool {
        self.count < 0
    }

    /// Goes on behind the next restart marker; it must follow at once.
    fn restart(&mut self) -> Option<()> {
        self.fill_slowly();
        if !(0..8).contains(&self.count) {
            return None;
        }
        let [0xff, 0xd0..=0xd7] = self.bytes.get(self.at..)?.first_chunk::<2>()? else {
            return None;
        };
        (self.buffer, self.count) = (0, 0);
        self.at += 2;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn sample(name: &str) -> Vec<u8> {
        let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images");
        std::fs::read(images.join(name)).unwrap()
    }

    #[test]
    fn the_means_are_those_of_the_decoded_blocks() {
        for name in [
            "gray.jpg",
            "gray-restart.jpg",
            "colour.jpg",
            "colour-422.jpg",
            "colour-444.jpg",
            "large-gray.jpg",
            "large-colour.jpg",
        ] {
            let bytes = sample(name);
            let mut means = Vec::new();
            let scaled = decode_into(&bytes, &mut means).expect(name);
            let whole = super::super::decode_gray(&bytes).unwrap();
            assert_eq!(scaled.covered.0, f64::from(whole.width()) / 8.0);
            for row in 0..whole.height() / 8 {
                for column in 0..whole.width() / 8 {
                    let sum: u32 = (0..64)
                        .map(|i| whole.get_pixel(8 * column + i % 8, 8 * row + i / 8).0[0])
                        .map(u32::from)
                        .sum();
                    let mean = means[(row * scaled.width + column) as usize];
                    let difference = f64::from(mean) - f64::from(sum) / 64.0;
                    // Levels beyond black and white are cut off before the sum, not in the mean.
                    assert!(difference.abs() < 4.0, "{name} {column} {row}: {difference}");
                }
            }
        }
    }

    #[test]
    fn other_kinds_are_left_to_the_decoders() {
        for name in
            ["gray-progressive.jpg", "colour-progressive.jpg", "rgb.jpg", "cmyk.jpg", "gray.png"]
        {
            assert!(decode_into(&sample(name), &mut Vec::new()).is_none(), "{name}");
        }
    }

    #[test]
    fn a_file_that_ends_too_early_has_no_means() {
        let bytes = sample("large-gray.jpg");
        for end in (0..bytes.len() * 9 / 10).step_by(97) {
            let mut cut = bytes[..end].to_vec();
            cut.extend([0xff, 0xd9]);
            assert!(decode_into(&cut, &mut Vec::new()).is_none(), "{end}");
        }
    }

    #[test]
    fn codes_with_absurd_runs_do_not_look_like_an_end() {
        // One code, the bit 0, for sixteen zeros.
        let mut counts = [0; 16];
        counts[0] = 1;
        let codes = Codes::new(&counts, &[0xf0], true).unwrap();
        let mut bits = Bits::new(&[0; 16]);
        // 1 + 4 × 16 is not 64.
        assert_eq!(codes.skip_block(&mut bits), None);
        assert!(codes.many.iter().all(|step| step.waves < 64));
    }
}
