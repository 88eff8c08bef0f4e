#include "agent/keeper/held_attempt.h"

#include <algorithm>

namespace rally::keeper {
namespace {

constexpr size_t kMaxChunks = 8192;
// Above this many, bytes that follow each other share a chunk however far apart in time, so that a
// slow writer isn't held back for the sake of its times.
constexpr size_t kManyChunks = 4096;
constexpr int64_t kSameTimeMicros = 2000;

}  // namespace

std::string HeldAttempt::Open(const std::array<std::string, kStreams>& paths,
                              const std::array<uint64_t, kStreams>& starts) {
  for (int stream = 0; stream < kStreams; ++stream) {
    const std::string error = streams_[stream].Open(paths[stream], starts[stream]);
    if (!error.empty()) return error;
  }
  sent_ = starts;
  return "";
}

bool HeldAttempt::WantsFill(int stream) const {
  return streams_[stream].wants_fill() && chunks_.size() < kMaxChunks;
}

void HeldAttempt::Fill(int stream, int64_t now_micros) {
  const uint64_t begin = streams_[stream].end();
  if (!WantsFill(stream) || streams_[stream].Fill() == 0) return;
  const uint64_t end = streams_[stream].end();
  if (next_chunk_ < chunks_.size()) {
    Chunk& last = chunks_.back();
    const bool same_time = now_micros - last.time_micros < kSameTimeMicros;
    if (last.stream == stream && (same_time || chunks_.size() > kManyChunks)) {
      last.end = end;
      return;
    }
  }
  chunks_.push_back({stream, begin, end, now_micros});
}

void HeldAttempt::Finish() {
  for (HeldStream& stream : streams_) stream.CloseWriteEnd();
}

bool HeldAttempt::Attach(const std::array<uint64_t, kStreams>& offsets) {
  for (int stream = 0; stream < kStreams; ++stream) {
    if (offsets[stream] < streams_[stream].base() || offsets[stream] > streams_[stream].end()) {
      return false;
    }
  }
  for (int stream = 0; stream < kStreams; ++stream) streams_[stream].DropBelow(offsets[stream]);
  sent_ = offsets;
  eof_sent_ = {};
  next_chunk_ = 0;
  DropAcknowledgedChunks();
  return true;
}

bool HeldAttempt::Acknowledge(int stream, uint64_t offset) {
  if (offset < streams_[stream].base() || offset > sent_[stream]) return false;
  streams_[stream].DropBelow(offset);
  DropAcknowledgedChunks();
  return true;
}

void HeldAttempt::DropAcknowledgedChunks() {
  while (!chunks_.empty() && chunks_.front().end <= streams_[chunks_.front().stream].base()) {
    chunks_.pop_front();
    if (next_chunk_ > 0) --next_chunk_;
  }
}

bool HeldAttempt::NextFrame(std::string* out) {
  for (; next_chunk_ < chunks_.size(); ++next_chunk_) {
    const Chunk& chunk = chunks_[next_chunk_];
    const uint64_t from = std::max(chunk.begin, sent_[chunk.stream]);
    const uint64_t to = std::min<uint64_t>(chunk.end, from + kMaxDataBytes);
    if (from >= to) continue;
    FrameWriter frame(FrameType::kData);
    frame.U8(StreamNumber(chunk.stream)).U64(from).U64(static_cast<uint64_t>(chunk.time_micros));
    std::string bytes;
    bytes.reserve(to - from);
    streams_[chunk.stream].CopyTo(from, to, &bytes);
    out->append(frame.Bytes(bytes).Take());
    sent_[chunk.stream] = to;
    // A chunk that is sent whole must not grow any more.
    if (to == chunk.end) ++next_chunk_;
    return true;
  }
  for (int stream = 0; stream < kStreams; ++stream) {
    if (eof_sent_[stream] || !streams_[stream].at_eof()) continue;
    eof_sent_[stream] = true;
    out->append(
        FrameWriter(FrameType::kEof).U8(StreamNumber(stream)).U64(streams_[stream].end()).Take());
    return true;
  }
  return false;
}

}  // namespace rally::keeper
