"""The columns of FOCUS that an export has, by version. Source: the specification's Cost and Usage dataset."""

from __future__ import annotations

from collections.abc import Mapping

_SHARED = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost",
    "ContractedUnitPrice", "EffectiveCost", "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory",
    "PricingCurrency", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice", "PricingQuantity", "PricingUnit", "RegionId", "RegionName", "ResourceId",
    "ResourceName", "ResourceType", "ServiceCategory", "ServiceName", "ServiceSubcategory", "SkuId", "SkuMeter",
    "SkuPriceDetails", "SkuPriceId", "SubAccountId", "SubAccountName", "SubAccountType", "Tags",
)  # fmt: skip
_OWN = (
    "x_Backend", "x_Cost", "x_CostCurrency", "x_CostStatus", "x_FxDate", "x_FxRate", "x_Meter", "x_Quantity",
    "x_Tries", "x_Unit", "x_Use",
)  # fmt: skip

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "1.4": (
        *sorted(
            (
                *_SHARED, "AllocatedMethodDetails", "AllocatedMethodId", "AllocatedResourceId",
                "AllocatedResourceName", "HostProviderName", "ServiceProviderName",
            )
        ),
        *_OWN,
    ),
    # `ProviderName` and `PublisherName` are what 1.3 renamed; a publisher is who makes the service available.
    "1.2": (*sorted((*_SHARED, "ProviderName", "PublisherName")), *_OWN),
}  # fmt: skip

# Columns whose cells are numbers and may begin with a minus.
NUMBERS = frozenset(
    {
        "BilledCost", "ConsumedQuantity", "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "ListCost",
        "ListUnitPrice", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost",
        "PricingCurrencyListUnitPrice", "PricingQuantity", "x_Cost", "x_FxRate", "x_Quantity", "x_Tries",
    }
)  # fmt: skip
