/**
 * The Gregorian calendar in UTC, for `os.date` and `os.time`. Days are counted in years that begin in March, so that the
 * day that some years have more is the last one.
 *
 * @module
 */

const DAY_S = 86_400;
/** Days of 400 years. */
const ERA_DAYS = 146_097;
/** Days from 0000-03-01 to 1970-01-01. */
const EPOCH_DAY = 719_468;
/** Weekday of 1970-01-01, Sunday being 1. */
const EPOCH_WEEKDAY = 5;

/** Days since 1970-01-01. */
function daysOf(year: number, month: number, day: number): number {
  const months = year * 12 + month - 1;
  const shifted = months - 2;
  const marchYear = Math.floor(shifted / 12);
  const marchMonth = shifted - marchYear * 12;
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const dayOfYear = Math.floor((153 * marchMonth + 2) / 5);
  return era * ERA_DAYS + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) +
    dayOfYear +
    day - 1 - EPOCH_DAY;
}

/** Seconds since 1970 of year, month, day, hour, minute, second; values out of their range carry over. */
export function timeOf([year, month, day, hour, minute, second]: readonly number[]): number {
  return daysOf(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second;
}

/** Year, month, day, hour, minute, second, weekday (Sunday is 1), day of the year of some seconds since 1970. */
export function dateParts(seconds: number): number[] {
  const days = Math.floor(seconds / DAY_S);
  const rest = seconds - days * DAY_S;
  const shifted = days + EPOCH_DAY;
  const era = Math.floor(shifted / ERA_DAYS);
  const dayOfEra = shifted - era * ERA_DAYS;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfMarchYear = dayOfEra -
    (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfMarchYear + 2) / 153);
  const day = dayOfMarchYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const weekday = ((days + EPOCH_WEEKDAY - 1) % 7 + 7) % 7 + 1;
  return [
    year,
    month,
    day,
    Math.floor(rest / 3600),
    Math.floor(rest / 60) % 60,
    rest % 60,
    weekday,
    days - daysOf(year, 1, 1) + 1,
  ];
}
