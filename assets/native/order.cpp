// The order of events within a day: users together, each user's events in time, equal events side by side.
//
// Rows are first dealt out by the top bits of the user's hash, which leaves pieces that fit the processor's cache, and
// each piece is then sorted by itself.

#include <algorithm>
#include <cstdint>
#include <vector>

namespace {

constexpr int kPieceBits = 12;
constexpr int64_t kPieces = int64_t{1} << kPieceBits;

struct Row {
  uint64_t user;
  int64_t time;
  uint64_t item;
  uint32_t position;
  uint8_t action;

  bool SameEvent(const Row& other) const {
    return user == other.user && time == other.time && item == other.item && action == other.action;
  }

  bool operator<(const Row& other) const {
    if (user != other.user) return user < other.user;
    if (time != other.time) return time < other.time;
    if (item != other.item) return item < other.item;
    if (action != other.action) return action < other.action;
    return position < other.position;
  }
};

}  // namespace

// order: positions sorted by (user, time, item, action, position).
// repeated[i]: whether the row at order[i] is the same event as the row before it.
extern "C" void order_events(int64_t rows, const uint64_t* users, const int64_t* times, const uint64_t* items,
                             const uint8_t* actions, uint32_t* order, uint8_t* repeated) {
  std::vector<int64_t> ends(kPieces + 1, 0);
  for (int64_t i = 0; i < rows; ++i) ++ends[(users[i] >> (64 - kPieceBits)) + 1];
  for (int64_t piece = 0; piece < kPieces; ++piece) ends[piece + 1] += ends[piece];
  std::vector<int64_t> next(ends.begin(), ends.end() - 1);
  // Kept between calls: a page that is fresh from the system costs more than sorting what is put there.
  thread_local std::vector<Row> sorted;
  sorted.resize(rows);
  for (int64_t i = 0; i < rows; ++i) {
    sorted[next[users[i] >> (64 - kPieceBits)]++] = {users[i], times[i], items[i], static_cast<uint32_t>(i), actions[i]};
  }
  for (int64_t piece = 0; piece < kPieces; ++piece) {
    std::sort(sorted.begin() + ends[piece], sorted.begin() + ends[piece + 1]);
  }
  for (int64_t i = 0; i < rows; ++i) {
    order[i] = sorted[i].position;
    repeated[i] = i > 0 && sorted[i].SameEvent(sorted[i - 1]);
  }
}
