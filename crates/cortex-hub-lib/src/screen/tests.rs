use proptest::prelude::*;

use super::*;

fn window(cols: u16, rows: u16) -> Window {
    Window::new(cols, rows).unwrap()
}

fn shown(output: &[u8]) -> Screen {
    let mut screen = Screen::new(window(20, 4));
    screen.show(output);
    screen
}

/// All that can be seen, and what decides what comes next: the cells of both screens with their
/// looks, the cursor, the modes.
fn all(screen: &Screen) -> (Vec<String>, String, (u16, u16), Modes) {
    let own = screen.parser.screen();
    let mut other = Parser::new(own.size().0, own.size().1, 0);
    *other.screen_mut() = own.clone();
    other.process(if own.alternate_screen() { b"\x1b[?47l" } else { b"\x1b[?47h" });
    let cells = [own, other.screen()].into_iter().flat_map(cells).collect();
    let looks = format!("{:?}", own.attributes_formatted() + &own.input_mode_formatted());
    // What was put out last is seen by what comes of it.
    let mut modes = Modes { last: None, ..screen.modes.clone() };
    modes.tabs = modes.tabs.map(|tabs| tabs.range(..own.size().1.get()).copied().collect());
    (cells, looks, own.cursor_position(), modes)
}

/// The rows of a screen, each with how its cells look. A blank is one whether it was put out or not.
fn cells(screen: &vt100::Screen) -> Vec<String> {
    let (rows, columns) = screen.size();
    let show = |row, column| {
        let cell = screen.cell(row, column).unwrap();
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let looks = [cell.bold(), cell.dim(), cell.italic(), cell.underline(), cell.inverse()];
        let looks: String = looks.iter().map(|is_so| if *is_so { '1' } else { '0' }).collect();
        let colours = format!("{:?}{:?}", cell.fgcolor(), cell.bgcolor());
        let is_plain = looks == "00000" && colours == "DefaultDefault";
        if is_plain { text.to_owned() } else { format!("<{looks}{colours}>{text}") }
    };
    (0..rows.get())
        .map(|row| (0..columns.get()).map(|column| show(row, column)).collect())
        .collect()
}

#[test]
fn what_scrolled_out_can_be_read_and_the_screen_stays() {
    let text: String = (1..=9).map(|line| format!("line {line}\r\n")).collect();
    let mut screen = shown(text.as_bytes());
    let before = all(&screen);
    let seen = screen.text(100, 0);
    let lines = |from: u16, to: u16| (from..=to).map(|n| format!("line {n}")).collect::<Vec<_>>();
    assert_eq!(seen.scrollback, lines(1, 6));
    assert_eq!(seen.rows[..3], lines(7, 9)[..]);
    assert_eq!((seen.cursor, seen.has_cursor, seen.is_alternate), ((3, 0), true, false));
    assert_eq!(screen.text(2, 0).scrollback, lines(5, 6));
    assert_eq!(screen.text(0, 0).scrollback, Vec::<String>::new());
    assert_eq!(all(&screen), before);
}

#[test]
fn output_may_be_cut_within_a_character_or_a_sequence() {
    let output = "\x1b[1;31mrot \u{e4}\u{1f980}\x1b[0m\x1b[?1049h\x1b[2;3Hvoll\x1b[?25l".as_bytes();
    let whole = all(&shown(output));
    for cut in 1..output.len() {
        let mut screen = shown(&output[..cut]);
        screen.show(&output[cut..]);
        assert_eq!(all(&screen), whole, "cut at {cut}");
    }
}

#[test]
fn a_drawing_makes_the_same_screen() {
    let outputs: [&[u8]; 4] = [
        b"plain\r\nand \x1b[7mreverse\x1b[0m",
        b"\x1b[?1049h\x1b[H\x1b[2Jtop\x1b[4;1H\x1b[44mbar\x1b[?25l",
        b"\x1b[?2004h\x1b[?1h$ \xe6\xbc\xa2\xe5\xad\x97",
        b"left it\x1b[?1049h full \x1b[?1049l again",
    ];
    for output in outputs {
        let screen = shown(output);
        // Whatever was there before.
        let mut other = shown(b"\x1b[?1049hother\x1b[31m");
        other.show(screen.drawing().as_bytes());
        assert_eq!(all(&other), all(&screen), "{:?}", String::from_utf8_lossy(output));
    }
}

proptest! {
    #[test]
    fn any_output_at_any_size_is_taken(
        pieces in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..60), 1u16..40, 1u16..12), 1..8),
    ) {
        let mut screen = Screen::new(window(20, 4));
        for (output, cols, rows) in pieces {
            screen.show(&output);
            screen.resize(window(cols, rows));
            prop_assert_eq!(screen.window(), window(cols, rows));
            prop_assert_eq!(screen.text(10, 0).rows.len(), usize::from(rows));
        }
    }
}

/// A terminal that was shown this in an earlier life.
fn used() -> Screen {
    shown(b"\x1b[?1049hother\x1b[31m\x1b[2;3r\x1b[?6h\x1b(0\x1b[4h\x1b[?7l\x1b[?1003h\x1b[?1006h\x1b7")
}

/// A drawing of what was shown up to `cut`, and then the rest, on whatever was there before.
fn handed_over(output: &[u8], cut: usize, mut other: Screen) -> Screen {
    let first = shown(&output[..cut]);
    other.show(&first.handover());
    other.show(&output[cut..]);
    other
}

#[test]
fn what_is_behind_the_cells_is_handed_over() {
    // Each ends where much depends on what came before, and is followed by what shows it.
    let cases: [(&[u8], &[u8]); 18] = [
        (b"\x1b[2;3r\x1b[3;1Hlast", b"\nmore\n\nend"),
        (b"1\r\n2\r\n3\r\n4\x1b[2;3r\x1b[?6h", b"\x1b[1;1Htop\x1b[9;1Hend"),
        (b"\x1b[2;5H\x1b[31m\x1b7\x1b[m\x1b[4;1Hthere", b"\x1b8red"),
        (b"\x1b[2;3r\x1b[?6h\x1b[2;2H\x1b7\x1b[?6l\x1b[r\x1b[Hx", b"\x1b8a\x1b[Hb\x1b[?6lc"),
        (b"shell$ vi\x1b[?1049h\x1b[2Jtext\x1b[2;3r", b"\x1b[3;1H\n\x1b[r\x1b[?1049lback"),
        (b"one\x1b[3;3H\x1b[?47hfull\x1b[2;2H\x1b7", b"\x1b[?47l two\x1b[?47h\x1b8x"),
        (b"01234567890123456789", b"next row"),
        ("012345678901234567\u{6f22}".as_bytes(), b"next row"),
        (b"\x1b(0lqqk\x1b(B a\x1b)0\x0e", b"xqx\x0fxqx"),
        (b"\x1b(0\x1b7\x1b(B", b"q\x1b8q"),
        (b"tail\r\x1b[4h", b"in \x1b[4l>"),
        (b"\x1b[?7l", b"01234567890123456789abc"),
        (b"\x1b[3g\x1b[5G\x1bH\x1b[11G\x1bH\r", b"\ta\tb\tc"),
        (b"a", b"\x1b[5b"),
        (b"\x1b[?2004h\x1b[?1h\x1b=\x1b[?1003h\x1b[?1006h\x1b[4 q\x1b[?25l\x1b[?1004h", b"x"),
        (b"\x1b]2;a title\x07\x1b[>4;2m", b"x"),
        (b"\x1b[20h", b"a\nb"),
        (b"\x1b[1;44mcol", b"our\x1b[K\r\n\x1b[J"),
    ];
    for (before, after) in cases {
        let output = [before, after].concat();
        let whole = shown(&output);
        let text = String::from_utf8_lossy(&output).into_owned();
        for cut in 0..=output.len() {
            let late = handed_over(&output, cut, used());
            assert_eq!(all(&late), all(&whole), "{text:?} cut at {cut}");
        }
    }
}

#[test]
fn what_vt100_does_not_know_is_told_in_its_words() {
    let rows = |output: &[u8]| shown(output).text(0, 0).rows;
    assert_eq!(rows(b"\x1b(0lqk\x1b(B\x1b)0\x0ex\x0fx")[0], "\u{250c}\u{2500}\u{2510}\u{2502}x");
    assert_eq!(rows(b"abc\r\x1b[4hX\x1b[4lY")[0], "XYbc");
    assert_eq!(rows(b"\x1b[?7l01234567890123456789ab")[..2], ["0123456789012345678b", ""]);
    assert_eq!(rows(b"\x1b[3g\x1b[3G\x1bH\r\ta\tb")[0], "  a                b");
    assert_eq!(rows(b"\x1b[15Ga\x1b[Zb\x1b[2Zc")[0], "        b     a".replacen(' ', "c", 1));
    assert_eq!(rows(b"ab\x1bDc\x1bEd\x1b[sxx\x1b[uy")[..3], ["ab", "  c", "dyx"]);
    assert_eq!(rows(b"\x1b[3;4Hx\x1b[2;3r\x1b[4h\x1b[!py")[1..3], ["y", "   x"]);
    assert_eq!(rows(b"full\x1b[?1047h\x1b[2Jx\x1b[?1047l")[0], "full");
}

/// Programs as they were recorded in a terminal of 80 by 24.
const RECORDED: [(&str, &[u8]); 4] = [
    ("top", include_bytes!("recorded/top")),
    ("vim", include_bytes!("recorded/vim")),
    ("less", include_bytes!("recorded/less")),
    ("tmux", include_bytes!("recorded/tmux")),
];

#[test]
fn programs_go_on_the_same_wherever_they_are_cut() {
    for (program, output) in RECORDED {
        let screen = || Screen::new(Window::default());
        let mut whole = screen();
        whole.show(output);
        let whole = all(&whole);
        let mut first = screen();
        // Every place is one where somebody may join; a step that has no common period with rows
        // and sequences meets all kinds of them.
        for cut in (0..output.len()).step_by(41) {
            first.show(&output[cut.saturating_sub(41).min(cut)..cut]);
            let mut late = screen();
            late.show(&first.handover());
            late.show(&output[cut..]);
            assert_eq!(all(&late), whole, "{program} cut at {cut}");
        }
    }
}

/// Something that a program may put out.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let small = || 0u16..8;
    let csi = (prop::sample::select(&b"ABCDEFGHIJKLMPSTXZ@`adefgrsu"[..]), small(), small());
    let mode = prop::sample::select(&[1u16, 6, 7, 25, 47, 1000, 1006, 1047, 1048, 1049, 2004][..]);
    let plain = prop::sample::select(
        &[
            "\x1b7", "\x1b8", "\x1bM", "\x1bD", "\x1bE", "\x1bH", "\x1b(0", "\x1b(B", "\x1b)0",
            "\x0e", "\x0f", "\x1b[4h", "\x1b[4l", "\x1b[!p", "\x1b=", "\x1b>", "\r", "\n", "\t",
            "\x08",
        ][..],
    );
    prop_oneof![
        1 => "[a-z]\x1b\\[[1-9]b".prop_map(String::into_bytes),
        4 => "[a-z \u{e4}\u{6f22}]{1,12}".prop_map(String::into_bytes),
        4 => csi.prop_map(|(end, a, b)| format!("\x1b[{a};{b}{}", char::from(end)).into_bytes()),
        2 => (mode, any::<bool>()).prop_map(|(mode, is_set)| {
            format!("\x1b[?{mode}{}", if is_set { 'h' } else { 'l' }).into_bytes()
        }),
        2 => (0u16..48).prop_map(|look| format!("\x1b[{look}m").into_bytes()),
        3 => plain.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..6),
    ]
}

#[test]
fn cells_that_look_the_same_are_told_together() {
    let mut screen = shown(b"ab\x1b[1;31mc\x1b[48;2;1;2;3m\xe6\xbc\xa2d\x1b[m!");
    let row = &screen.text(0, 0).runs[0];
    let texts: Vec<&str> = row.iter().map(|run| run.text.as_str()).collect();
    assert_eq!(texts, ["ab", "c", "\u{6f22}d", "!             "]);
    assert_eq!((row[1].foreground, row[1].is_bold), (Some(Colour::Palette(1)), true));
    assert_eq!(row[2].background, Some(Colour::Rgb(1, 2, 3)));
    assert_eq!(row[3], Run { text: row[3].text.clone(), ..Run::default() });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_drawing_and_what_follows_is_the_same_as_everything(
        before in prop::collection::vec(piece(), 0..20),
        after in prop::collection::vec(piece(), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let (before, after) = (before.concat(), after.concat());
        let output = [&before[..], &after[..]].concat();
        // In the middle of something, too.
        let cut = if after.is_empty() { cut.index(output.len() + 1) } else { before.len() };
        let whole = shown(&output);
        let late = handed_over(&output, cut, shown(b""));
        prop_assert_eq!(all(&late), all(&whole), "{:?} | {:?}",
            String::from_utf8_lossy(&output[..cut]), String::from_utf8_lossy(&output[cut..]));
    }
}
