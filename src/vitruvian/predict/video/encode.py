"""Overlay frames -> pieces of video -> one video with the sound of the source."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitruvian.errors import InputError
from vitruvian.types import Array

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoStream
    from av.container import InputContainer, OutputContainer

ENCODERS = {  # first that this PyAV has; no frame refers to a later one, so that pieces can be joined
    "libx264": {"crf": "20", "preset": "veryfast", "bf": "0"},
    "libopenh264": {"bit_rate": "8000000"},
    "mpeg4": {"qscale": "3", "bf": "0"},
}
PIECE = "nut"  # keeps times exactly, whatever their unit
BT709 = 1


def encoder_name() -> str:
    """The video encoder of overlays in this installation."""
    import av

    for name in ENCODERS:
        try:
            av.Codec(name, "w")
        except av.codec.codec.UnknownCodecError:
            continue
        return name
    raise InputError(f"no video encoder in PyAV. Allowed: {', '.join(ENCODERS)}. Fix: pip install --upgrade av")


class Piece:
    """A part of the overlay being written. tick: seconds, the unit of the frames' times; rate: frames a second, nominal."""

    def __init__(self, path: Path, size: tuple[int, int], tick: Fraction, rate: Fraction) -> None:
        import av

        name = encoder_name()
        self._tick = tick
        self._container = av.open(str(path), "w", format=PIECE)
        stream = self._container.add_stream(name, rate=rate.limit_denominator(1001), options=dict(ENCODERS[name]))
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = tick
        context.colorspace = context.color_primaries = context.color_trc = BT709
        self._stream, self._closed = stream, False

    def add(self, picture: Array, ticks: int) -> None:
        """(H, W, 3) uint8 RGB at its time."""
        import av

        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
        frame.pts, frame.time_base = ticks, self._tick
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """What the encoder still holds, and the end of the file. Once is enough."""
        if not self._closed:
            self._closed = True
            with self._container:
                self._container.mux(self._stream.encode())


def join(pieces: Sequence[Path], target: Path, sound: Path | None, end: Fraction) -> str:
    """The pieces as one MP4, with all sound of the file `sound` before `end` seconds, bit for bit.

    Returns what became of the sound: `kept (aac)`, `none`, or why it was left out.
    """
    import av

    with ExitStack() as stack:
        out = stack.enter_context(av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}))
        with av.open(str(pieces[0])) as first:
            picture = out.add_stream_from_template(first.streams.video[0])
        ways = [_picture_packets(pieces, picture)]
        told = "none"
        if sound is not None:
            source = stack.enter_context(av.open(str(sound)))
            voices, told = _voices(source, out)
            ways += [_sound_packets(source, voices, end)] if voices else []
        for packet in heapq.merge(*ways, key=_seconds):  # in the order of time, so that nothing has to be held back
            out.mux_one(packet)
    return told


def _voices(source: InputContainer, out: OutputContainer) -> tuple[dict[int, AudioStream], str]:
    """Index of a sound stream in the source -> its copy, for those that MP4 can hold, and what to tell."""
    voices: dict[int, AudioStream] = {}
    kept, lost = [], []
    for stream in source.streams.audio:
        try:
            voices[stream.index] = out.add_stream_from_template(stream)
        except ValueError:
            lost.append(stream.codec_context.name)
        else:
            kept.append(stream.codec_context.name)
    told = [f"kept ({', '.join(kept)})"] if kept else []
    told += [f"left out ({', '.join(lost)}: MP4 cannot hold it)"] if lost else []
    return voices, ", ".join(told) or "none"


def _picture_packets(pieces: Sequence[Path], stream: VideoStream) -> Iterator[Packet[Any]]:
    import av

    for piece in pieces:
        with av.open(str(piece)) as source:
            for packet in source.demux(source.streams.video[0]):
                if packet.dts is not None:  # the last one is empty
                    packet.stream = stream
                    yield packet


def _sound_packets(source: InputContainer, voices: Mapping[int, AudioStream], end: Fraction) -> Iterator[Packet[Any]]:
    """Packets of the copied streams; damage ends them, a step back in time is left out."""
    import av

    last: dict[int, int] = {}
    packets = source.demux([source.streams[index] for index in voices])
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            return
        index = packet.stream.index
        if packet.dts is None or packet.dts <= last.get(index, packet.dts - 1):
            continue
        if packet.pts is not None and packet.pts * packet.time_base >= end:
            continue
        last[index] = packet.dts
        packet.stream = voices[index]
        yield packet


def _seconds(packet: Packet[Any]) -> float:
    return float((packet.dts or 0) * packet.time_base)
