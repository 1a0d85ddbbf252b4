"""Texts of what the signal code refuses, changes and finds, by its own codes."""

from typing import Final

from app.core.messages.text import Text

ECG: Final[dict[str, Text]] = {
    # refusals: the contract
    "not_a_matrix": Text(
        "сигнал должен быть матрицей [отсчёт][отведение]", "the signal must be a matrix [sample][lead]"
    ),
    "not_numeric": Text("сигнал должен состоять только из чисел", "the signal must consist of numbers"),
    "unknown_units": Text("единицы сигнала: {expected}", "units of a signal are: {expected}"),
    "duplicate_lead": Text("отведение {lead} указано дважды", "lead {lead} is given twice"),
    "missing_leads": Text("не хватает отведений: {leads}", "missing leads: {leads}"),
    "wrong_lead_count": Text(
        "отведений должно быть {expected}, получено {received}", "{expected} leads are expected, {received} received"
    ),
    "wrong_sample_count": Text(
        "отсчётов должно быть {expected}, получено {received}; для другой длины укажите sampling_rate_hz",
        "{expected} samples are expected, {received} received; give sampling_rate_hz for another length",
    ),
    "invalid_sampling_rate": Text(
        "частота дискретизации должна быть от {minimum_hz:g} до {maximum_hz:g} Гц",
        "the sampling rate must lie between {minimum_hz:g} and {maximum_hz:g} Hz",
    ),
    "too_short": Text(
        "запись короче {minimum_s:g} с: {received_s:g} с", "the recording is under {minimum_s:g} s: {received_s:g} s"
    ),
    "too_long": Text(
        "запись длиннее {maximum_s:g} с: {received_s:g} с", "the recording is over {maximum_s:g} s: {received_s:g} s"
    ),
    "non_finite": Text("сигнал должен состоять из конечных чисел", "the numbers of the signal must be finite"),
    "implausible_amplitude": Text(
        "амплитуда не похожа на ЭКГ в указанных единицах: размах отведений должен быть от {minimum_mv:g} "
        "до {maximum_mv:g} мВ",
        "the amplitude is not that of an ECG in the stated units: leads span {minimum_mv:g} to {maximum_mv:g} mV",
    ),
    # refusals: a valid signal that cannot be processed
    "flat_signal": Text("все отведения плоские", "every lead is flat"),
    "no_beats": Text("не найдено сердечных сокращений", "no heartbeats were found"),
    # changes made to the signal
    "leads_reordered": Text("порядок отведений приведён к стандартному", "the leads were put into standard order"),
    "already_filtered": Text(
        "запись уже прошла фильтр нижних частот около 40 Гц; сегмент ST может быть искажён",
        "the recording had passed a low-pass filter of about 40 Hz before; the ST segment may be distorted",
    ),
    "leads_derived": Text("отведения вычислены из {sources}: {leads}", "leads derived from {sources}: {leads}"),
    "leads_ignored": Text(
        "столбцы вне двенадцати отведений не использованы: {count}", "columns beyond the twelve leads ignored: {count}"
    ),
    "units_converted": Text("сигнал переведён в мВ из {units}", "the signal was converted to mV from {units}"),
    "resampled": Text(
        "частота дискретизации изменена с {from_hz:g} на {to_hz:g} Гц",
        "the sampling rate was changed from {from_hz:g} to {to_hz:g} Hz",
    ),
    "cropped": Text(
        "использован отрезок от {start_s:g} до {end_s:g} с", "the part from {start_s:g} to {end_s:g} s was used"
    ),
    "limb_leads_rescaled": Text(
        "отведения от конечностей нормированы по отдельности; их соотношения восстановлены, напряжения неизвестны",
        "the limb leads came normalised one by one; their ratios were restored, voltages are unknown",
    ),
    # findings
    "short_recording": Text("запись короче 10 с: {duration_s:g} с", "the recording is under 10 s: {duration_s:g} s"),
    "lead_flat": Text("плоские отведения: {leads}", "flat leads: {leads}"),
    "lead_dropout": Text(
        "сигнал пропадает на {minimum_s:g} с и более в отведениях: {leads}",
        "the signal drops out for {minimum_s:g} s or more in leads: {leads}",
    ),
    "low_amplitude": Text(
        "очень низкая амплитуда (стандартное отклонение менее {minimum_uv:g} мкВ) в отведениях: {leads}",
        "very low amplitude (standard deviation under {minimum_uv:g} µV) in leads: {leads}",
    ),
    "lead_saturated": Text("насыщение в отведениях: {leads}", "saturated leads: {leads}"),
    "baseline_wander": Text("дрейф изолинии в отведениях: {leads}", "baseline wander in leads: {leads}"),
    "high_frequency_noise": Text("шум в отведениях: {leads}", "high-frequency noise in leads: {leads}"),
    "limb_leads_inconsistent": Text(
        "отведения от конечностей не согласованы: расхождение {residual_mv:g} мВ",
        "the limb leads do not agree with one another: residual {residual_mv:g} mV",
    ),
    "limb_leads_reversed": Text(
        "электроды на конечностях, вероятно, перепутаны", "the limb electrodes are probably interchanged"
    ),
    "chest_leads_reversed": Text(
        "грудные электроды, вероятно, перепутаны", "the chest electrodes are probably interchanged"
    ),
    "electrodes_doubtful": Text(
        "отведения I и V6 противоположны: возможно, перепутаны электроды на конечностях или грудные",
        "leads I and V6 oppose each other: limb or chest electrodes may be interchanged",
    ),
    "sampling_rate_suspect": Text(
        "частота дискретизации вызывает сомнение: ЧСС {heart_rate_bpm:g}/мин, QRS {qrs_duration_ms:g} мс",
        "the sampling rate is doubtful: heart rate {heart_rate_bpm:g}/min, QRS {qrs_duration_ms:g} ms",
    ),
    "paediatric": Text(
        "пациент младше 18 лет: модель обучена на взрослых", "the patient is under 18: the model was trained on adults"
    ),
}
"""Refusals (`app.ecg.errors`) and notices (`app.ecg.notices`); a test holds the three equal."""
